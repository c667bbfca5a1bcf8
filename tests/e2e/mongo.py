"""Real MongoDB servers to test against, and Pebbles on them: the counterpart of harness.py for the second store."""
import contextlib
import itertools
import os
import pathlib
import random
import subprocess
import time

import pymongo
import pymongo.errors
from harness import Server, Started, free_port, root, wait_until

database_numbers = itertools.count(1)
small_journal = "log=(file_max=10MB,prealloc=false)"  # or each mongod takes 300 MB of disk from its start on


def mongod_binary():
    path = pathlib.Path(os.environ.get("PEBBLES_MONGOD") or root / "build/components/mongod")
    assert path.exists(), f"there is no {path}: script/test gets it"
    return str(path)


def new_database():
    """A name that nothing else uses on a server that tests share."""
    return f"pebbles_test_{os.getpid()}_{next(database_numbers)}_{random.randrange(2**32):08x}"


def client_of(port):
    """A client of exactly this server, which fails soon when it is away."""
    return pymongo.MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=2000,
                               socketTimeoutMS=5000, connectTimeoutMS=2000)


def initiate(name, ports, *, election_ms=2000, timeout=30):
    """Makes a replica set of running servers, and waits until one is primary; its port."""
    settings = {"electionTimeoutMillis": election_ms, "heartbeatIntervalMillis": election_ms // 4}
    config = {"_id": name, "settings": settings,
              "members": [{"_id": number, "host": f"127.0.0.1:{port}"} for number, port in enumerate(ports)]}
    with client_of(ports[0]) as client:
        client.admin.command("replSetInitiate", config)
    return wait_until(lambda: primary_among(ports), timeout, "a primary")


def primary_among(ports):
    for port in ports:
        with contextlib.suppress(pymongo.errors.PyMongoError), client_of(port) as client:
            if client.admin.command("hello").get("isWritablePrimary"):
                return port
    return None


class Mongod(Started):
    """One mongod on a folder and a port of its own, which it keeps over restarts; `env` is added to its environment."""

    def __init__(self, folder, *options, env=None):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.options = options
        self.env = dict(env or {})
        self.process = None
        self.log = self.folder / "mongod.log"

    def start(self):
        assert self.process is None, "this mongod runs already"
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        command = [mongod_binary(), "--dbpath", str(self.folder / "data"), "--bind_ip", "127.0.0.1",
                   "--port", str(self.port), "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25",
                   "--wiredTigerEngineConfigString", small_journal,
                   "--setParameter", "diagnosticDataCollectionEnabled=false",
                   "--setParameter", "enableTestCommands=1", *self.options]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **self.env})
        wait_until(self.answers, 30, "the start of a mongod")
        return self

    def answers(self):
        assert self.process.poll() is None, f"mongod ended:\n{self.log.read_text(errors='replace')[-3000:]}"
        with contextlib.suppress(pymongo.errors.PyMongoError), client_of(self.port) as client:
            return client.admin.command("ping")["ok"]

    def client(self):
        return client_of(self.port)

    def uri(self, database):
        return f"mongodb://127.0.0.1:{self.port}/{database}"

    def fail_command(self, mode, **data):
        """Makes the server fail commands, as its `failCommand` describes."""
        self.fail_point("failCommand", mode, **data)

    def fail_point(self, name, mode, **data):
        with self.client() as client:
            client.admin.command({"configureFailPoint": name, "mode": mode, **({"data": data} if data else {})})

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.kill()


class ReplicaSet:
    """One or three members with elections that take few seconds."""

    name = "pebbles"

    def __init__(self, folder, size=1, *options, env=None):
        self.members = [Mongod(pathlib.Path(folder) / f"member-{number}", "--replSet", self.name, *options, env=env)
                        for number in range(size)]

    def start(self):
        for member in self.members:
            member.start()
        initiate(self.name, self.ports)
        return self

    @property
    def ports(self):
        return [member.port for member in self.members]

    def uri(self, database):
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"mongodb://{hosts}/{database}?replicaSet={self.name}"

    def client(self):
        return pymongo.MongoClient(self.uri("admin"), serverSelectionTimeoutMS=15000)

    def wait_majority(self, timeout, among):
        """Until one of these is primary and a majority follows it. Behind a frozen primary that takes a secondary ten
        seconds and more: it reads the log from there until its network time-out."""
        primary = self.wait_primary(timeout, among)
        with primary.client() as client:
            concern = pymongo.WriteConcern(w="majority", j=True, wtimeout=1000 * timeout)
            client.admin.get_collection("probe", write_concern=concern).insert_one({})

    def primary(self, among=None):
        """The member that is primary, or None."""
        among = self.members if among is None else among
        port = primary_among([member.port for member in among if member.process is not None])
        return next((member for member in among if member.port == port), None)

    def wait_primary(self, timeout=30, among=None):
        return wait_until(lambda: self.primary(among), timeout, "a primary")

    def wait_steady(self, timeout=60):
        """Until there is a primary and every other member follows it; the primary."""
        def steady():
            primary = self.primary()
            if primary is None:
                return None
            with primary.client() as client:
                states = [member["stateStr"] for member in client.admin.command("replSetGetStatus")["members"]]
            return primary if sorted(states)[1:] == ["SECONDARY"] * (len(states) - 1) else None

        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(pymongo.errors.PyMongoError):
                if found := steady():
                    return found
            assert time.monotonic() < deadline, f"the replica set is not steady after {timeout} s"
            time.sleep(0.1)

    def others(self, member):
        return [other for other in self.members if other is not member]

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        for member in self.members:
            member.kill()


class MongoServer(Server):
    """A server on a database of its own; `uri` has its name."""

    def __init__(self, folder, uri, **options):
        super().__init__(folder, **options)
        self.uri = uri

    @property
    def store_arguments(self):
        return ["--store", "mongodb"]

    @property
    def store_env(self):
        return {"MONGO_URI": self.uri}
