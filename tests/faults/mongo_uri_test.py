"""What a connection string asks for is done: TLS, users and their passwords, the pool, read preference, time-outs."""
import contextlib
import time

import mongo
import pymongo
import pytest
from api_support import Api
from certificate import write_certificate
from harness import update, wait_until

krn = "krn:uri"


class SecureMongod(mongo.Mongod):
    """Talks TLS alone, and knows one user."""

    def __init__(self, folder):
        folder.mkdir()
        certificate, self.authority = write_certificate(folder)
        super().__init__(folder, "--auth", "--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(certificate))

    def client(self, **user):
        return pymongo.MongoClient("127.0.0.1", self.port, directConnection=True, tls=True, tlsCAFile=str(self.authority),
                                   serverSelectionTimeoutMS=2000, **user)

    def answers(self):
        with contextlib.suppress(pymongo.errors.PyMongoError), self.client() as client:
            return client.admin.command("ping")["ok"]

    def uri(self, database, user="pebbles:pass%2Fword@", options=""):
        return f"mongodb://{user}127.0.0.1:{self.port}/{database}?authSource=admin{options}"

    @property
    def tls(self):
        return f"&tls=true&tlsCAFile={self.authority}"


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    with SecureMongod(tmp_path_factory.mktemp("secure") / "mongod") as server:
        with server.client() as client:  # from this machine, and as long as there is no user
            client.admin.command("createUser", "pebbles", pwd="pass/word", roles=["readWriteAnyDatabase"])
        yield server


def test_tls_and_a_user(make_server, secure, database):
    server = make_server(uri=secure.uri(database, options=secure.tls)).start()
    api = Api(server)
    assert api.report(krn, "a", done=1)["counts"]["done"] == 1
    assert api.record(krn, "a")["counts"]["done"] == 1
    with secure.client(username="pebbles", password="pass/word") as client:
        assert client[database].progress.count_documents({"filename": "a"}) == 1
    assert "pass" not in server.log_text()


refused = {
    "wrong password": {"user": "pebbles:wrong@", "tls": True},
    "no user": {"user": "", "tls": True},
    "no TLS": {"tls": False},
}


@pytest.mark.parametrize("what", refused)
def test_who_is_not_let_in_is_not_ready(make_server, secure, database, what):
    """The server waits, says so, and answers 503: what is wrong may be mended on the other side."""
    how = dict(refused[what])
    options = (secure.tls if how.pop("tls") else "") + "&serverSelectionTimeoutMS=500"
    server = make_server(uri=secure.uri(database, options=options, **how)).start(wait=False)
    api = Api(server)
    wait_until(lambda: "server_listening" in server.log_text(), 20, "the listener")
    assert api.http.get("/health").status_code == 503
    assert api.post(krn, update("a", done=1), key="k").status_code == 503
    assert "database_away" in server.log_text()
    assert "wrong" not in server.log_text().replace("wrong password", "")


def test_an_unknown_authority_is_not_trusted(make_server, secure, database):
    options = "&tls=true&serverSelectionTimeoutMS=500"
    server = make_server(uri=secure.uri(database, options=options)).start(wait=False)
    wait_until(lambda: "server_listening" in server.log_text(), 20, "the listener")
    assert Api(server).http.get("/health").status_code == 503


def test_read_preference_is_for_reads_alone(make_server, three_nodes, database):
    """Reads go to a secondary, commits and what they depend on to the primary."""
    primary = three_nodes.wait_steady()
    with contextlib.ExitStack() as stack:
        clients = {member: stack.enter_context(member.client()) for member in three_nodes.members}
        for client in clients.values():
            client[database].command("profile", 2)
        server = make_server(uri=three_nodes.uri(database) + "&readPreference=secondary").start()
        api = Api(server)
        for _ in range(3):
            api.report(krn, "a", done=1)
        wait_until(lambda: api.record(krn, "a")["counts"]["done"] == 3, 10, "the secondary")
        time.sleep(0.3)
        api.report(krn, "b", done=1)
        wait_until(lambda: len(api.listed(krn)) == 2, 10, "the secondary")
        asked = {member: {entry["command"]["find"] for entry in client[database]["system.profile"].find({"op": "query"}, {"command.find": 1})
                          if "find" in entry.get("command", {})} & {"progress", "progress_events"}
                 for member, client in clients.items()}
        lists = {member: client[database]["system.profile"].count_documents({"command.sort.updatedAt": -1})
                 for member, client in clients.items()}
        assert lists[primary] == 0 and sum(lists.values()) >= 1, lists
        assert "progress" in asked[primary]
        server.stop()


def test_a_small_pool_serves_many(make_server, tmp_path, database):
    """Two lanes' and the upkeep's clients are of the pool too: who gets none in time is told to try again."""
    with mongo.Mongod(tmp_path / "mongod") as mongod:
        server = make_server(uri=mongod.uri(database) + "?maxPoolSize=4&waitQueueTimeoutMS=5000").start()
        api = Api(server)
        for number in range(20):
            api.report(krn, f"file-{number}", done=1)
        assert len(api.listed(krn)) == 20
        with mongod.client() as client:
            every = [{"$currentOp": {"allUsers": True, "idleConnections": True}}]
            opened = [entry for entry in client.admin.aggregate(every) if entry.get("appName") == "pebbles"]
        server.stop()
    assert len(opened) <= 4 + 2, "clients of the pool, and the driver's own monitors"
