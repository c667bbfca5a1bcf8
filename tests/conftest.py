"""Fixtures for every Python test; the machinery is in tests/e2e/harness.py."""
import itertools

import elasticmq
import harness
import kafka
import mongo
import pytest
import sqs

servers_key = pytest.StashKey()
krn_numbers = itertools.count(1)


# A worker has a file to itself (--dist loadfile): these take longest, and must not be what is left in the end.
long_files = ["retention_test.py", "sqs_exact_test.py", "store_away_test.py", "kafka_source_test.py", "examples_test.py", "noisy_test.py",
              "instances_test.py", "kafka_exact_test.py", "slow_clients_test.py", "token_keys_test.py",
              "sqs_source_test.py", "openapi_test.py", "logs_test.py"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: long_files.index(item.path.name) if item.path.name in long_files else len(long_files))


@pytest.fixture
def make_server(request, tmp_path):
    """Makes servers, not yet started, each on its own folder and port. All are stopped at the end, and must exit with 0
    unless the test has killed them: make_server(env={...}, executable=..., arguments=[...]); with uri=… it has its
    store in MongoDB."""
    servers = request.node.stash.setdefault(servers_key, [])

    def make(folder=None, **options):
        kind = mongo.MongoServer if "uri" in options else harness.Server
        server = kind(folder or tmp_path / f"server-{len(servers) + 1}", **options)
        servers.append(server)
        return server

    yield make
    faults = []
    for server in servers:
        try:
            server.stop()
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)


@pytest.fixture
def server(make_server):
    """A running embedded server with an empty store."""
    return make_server().start()


@pytest.fixture(scope="session")
def one_node(tmp_path_factory):
    """A replica set of one that tests share: each takes a database of its own."""
    with mongo.ReplicaSet(tmp_path_factory.mktemp("one-node")) as replica_set:
        yield replica_set


@pytest.fixture(scope="session")
def shared_kafka(tmp_path_factory):
    """A broker that tests share: each takes topics and groups of its own (kafka.new_name)."""
    with kafka.Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield kafka.Client(broker.address)


@pytest.fixture(scope="session")
def shared_sqs(tmp_path_factory):
    """A queue service that tests share: each makes queues of its own."""
    with elasticmq.ElasticMq(tmp_path_factory.mktemp("elasticmq")) as service:
        yield sqs.Client(service)


@pytest.fixture(scope="module", params=["sqlite", "mongodb"])
def any_server(request, tmp_path_factory):
    """A running server for the tests of a file, once with each store."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        server = harness.Server(folder)
    else:
        server = mongo.MongoServer(folder, request.getfixturevalue("one_node").uri(mongo.new_database()))
    yield server.start()
    server.stop()


@pytest.fixture
def client(server):
    """An httpx client of `server`, without a token: pass headers=harness.bearer(token(...))."""
    with server.client() as client:
        yield client


@pytest.fixture
def token():
    """Mints tokens: token(), token(email=…, client=…, ttl=…), or any claim by its name."""
    return harness.mint


@pytest.fixture
def krn():
    """A clientKrn that no other test uses."""
    return f"krn:test:client:{next(krn_numbers)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for number, server in enumerate(item.stash.get(servers_key, []), 1):
            report.sections.append((f"log of server {number}", server.log_tail()))
    return report
