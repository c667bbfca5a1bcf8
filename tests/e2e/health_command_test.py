"""`pebbles health`, which the health check of a container runs."""
import harness
from api_support import pebbles


def test_it_asks_the_server_that_its_configuration_is_of(server):
    asked = pebbles("health", env={"HOST": "0.0.0.0", "PORT": str(server.port), "http_proxy": "http://127.0.0.1:1"})
    assert (asked.returncode, asked.stderr) == (0, ""), asked


def test_it_asks_another_where_it_is_told_to(server):
    assert pebbles("health", "--url", f"{server.url}/health").returncode == 0
    refused = pebbles("health", "--url", f"{server.url}/nothing")
    assert refused.returncode == 1 and "404" in refused.stderr


def test_one_that_does_not_answer_is_not_ready():
    asked = pebbles("health", env={"PORT": str(harness.free_port())})
    assert asked.returncode == 1 and "connect" in asked.stderr, asked


def test_ipv6(make_server):
    server = make_server(env={"HOST": "::1"}).start(wait=False)
    harness.wait_until(lambda: pebbles("health", env={"HOST": "::", "PORT": str(server.port)}).returncode == 0, 10,
                       "an answer on ::1")
