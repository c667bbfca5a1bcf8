"""A client that floods is slowed down itself; a quiet one beside it is never refused, whatever the flood is of."""
import harness
import pytest
from api_support import Api, Connection
from load import verify_clean
from open_loop import OpenLoop

noisy, quiet = "krn:noisy", "krn:quiet"
seconds = 10 if harness.long_rounds else 2.5


@pytest.fixture(params=["sqlite", "mongodb"])
def server(request, make_server):
    if request.param == "sqlite":
        return make_server().start()
    return make_server(uri=request.getfixturevalue("one_node").uri(request.getfixturevalue("database"))).start()


def floods():
    return {"updates": {}, "updates of many files": {"files": 20_000},
            "lists": {"get": f"/clients/{noisy}/progress?limit=500"}}


@pytest.mark.parametrize("flood", floods())
@pytest.mark.parametrize("asks", [{}, {"get": f"/clients/{quiet}/progress?limit=10"}], ids=["reports", "reads"])
def test_a_quiet_client_is_never_refused(server, flood, asks):
    for client in (noisy, quiet):
        opened = OpenLoop(server, client=client, connections=50, seconds=0.5, files=500).figures()
    crowd = OpenLoop(server, client=noisy, connections=100, seconds=seconds, **floods()[flood])
    figures = OpenLoop(server, client=quiet, connections=16, rate=40, seconds=seconds - 0.5, files=500, **asks).figures()
    crowded = crowd.figures()
    assert figures["ok"] == figures["requests"] > 0, figures  # how soon is the benchmark's question
    assert crowded["ok"] > 0 and not crowded["other"] and not crowded["lost"] and not crowded["bare_busy"], crowded
    if not asks:  # lists may follow a little later
        harness.wait_until(lambda: reported(server) == opened["ok"] + figures["ok"], 20, "the exact total")


def reported(server):
    return sum(record["counts"]["done"] for record in Api(server).listed(quiet, limit=10_000))


def test_a_client_without_records_is_served_while_another_fills_the_pool_of_readers(server):
    """More requests at once than may wait: the noisy client gets 503, and nobody else."""
    OpenLoop(server, client=noisy, connections=100, seconds=1, files=1000).figures()
    crowd = OpenLoop(server, connections=1500, seconds=seconds, get=f"/clients/{noisy}/progress?limit=1000")
    line = Connection(server.port)
    for number in range(10):
        assert line.post(quiet, harness.update("a.csv", done=1))[0] == 200
        answer = Api(server).get(quiet)
        assert answer.status_code == 200, answer.text
        assert Api(server).record(quiet, "a.csv")["counts"]["done"] == number + 1
    line.close()
    crowded = crowd.figures()
    assert crowded["busy"] > 0 and not crowded["bare_busy"], crowded
    server.stop()
    verify_clean(server)
