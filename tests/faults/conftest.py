"""Fixtures of the fault tests."""
import os
import random

import kafka
import mongo
import pytest


@pytest.fixture
def seed(request):
    """What every choice of a test is drawn from: PEBBLES_SEED, or a new one. Each failure's message names it."""
    return int(os.environ.get("PEBBLES_SEED") or random.randrange(2**32)), request.node.name


@pytest.fixture(scope="session")
def three_nodes(tmp_path_factory):
    """A replica set of three that tests share; each takes a database of its own, and leaves every member running."""
    with mongo.ReplicaSet(tmp_path_factory.mktemp("three-nodes"), 3) as replica_set:
        yield replica_set


@pytest.fixture(scope="session")
def standalone(tmp_path_factory):
    with mongo.Mongod(tmp_path_factory.mktemp("standalone")) as server:
        yield server


@pytest.fixture
def database():
    return mongo.new_database()


@pytest.fixture
def broker(tmp_path):
    """A Kafka broker of this test's own, to be killed and restarted."""
    with kafka.Broker(tmp_path / "kafka") as broker:
        yield broker
