"""Fixtures of the fault tests."""
import os
import random

import pytest


@pytest.fixture
def seed(request):
    """What every choice of a test is drawn from: PEBBLES_SEED, or a new one. Each failure's message names it."""
    return int(os.environ.get("PEBBLES_SEED") or random.randrange(2**32)), request.node.name
