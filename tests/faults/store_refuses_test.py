"""A MongoDB that answers reads and refuses writes, as one whose disk is full, is seen in health."""
import harness
import mongo
import pytest
from api_support import Api

pytestmark = pytest.mark.timeout(120)
out_of_disk_space = 14031


def test_a_database_that_refuses_writes(make_server, one_node):
    server = make_server(uri=one_node.uri(mongo.new_database())).start()
    api = Api(server)
    api.report("krn:a", done=1)
    member = one_node.members[0]
    member.fail_command("alwaysOn", failCommands=["update", "insert"], appName="pebbles", errorCode=out_of_disk_space)
    try:
        health = harness.wait_until(lambda: (answer := api.http.get("/health")).status_code == 503 and answer,
                                    what="health that is not well")
        assert "The store refuses commits: " in health.json()["detail"]
        details = api.http.get("/health?verbose").json()
        assert details["parts"]["store"]["state"].startswith("refuses commits: ")
        assert api.http.get("/readyz").status_code == 200 and api.record("krn:a", "sales.csv")["counts"]["done"] == 1
    finally:
        member.fail_command("off")
    harness.wait_until(lambda: api.http.get("/health").status_code == 200, what="health")
    api.report("krn:a", done=1)
