"""A real Kafka broker to test against: one process, broker and controller (KRaft), on loopback ports of its own.

As a program, `python -m kafka_broker FOLDER`, it prints its address and serves until SIGTERM.
"""
import base64
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import uuid

from harness import Started, free_port, root, wait_until

java_options = ["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                "-Djava.net.preferIPv4Stack=true", f"-Djava.io.tmpdir={tempfile.gettempdir()}",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]

properties = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=500
message.max.bytes=16777216
log.segment.delete.delay.ms=1000
"""


def jars():
    folder = pathlib.Path(os.environ.get("PEBBLES_KAFKA") or root / "build/components/kafka")
    assert folder.exists(), f"there is no {folder}: script/test gets it"
    return f"{folder}/*"


class Broker(Started):
    """One broker on a folder and ports of its own, which it keeps over restarts. `settings` are further lines of its
    server.properties, `options` further options of Java."""

    def __init__(self, folder, settings=None, options=()):
        self.folder = pathlib.Path(folder)
        self.port, self.controller = free_port(), free_port()
        self.settings = dict(settings or {})
        self.options = list(options)
        self.process = None
        self.log = self.folder / "kafka.log"

    @property
    def address(self):
        """What KAFKA_BOOTSTRAP_SERVERS takes."""
        return f"127.0.0.1:{self.port}"

    @property
    def data(self):
        return self.folder / "data"

    @property
    def configuration(self):
        return self.folder / "server.properties"

    def start(self, wait=True):
        assert self.process is None, "this broker runs already"
        if not (self.data / "meta.properties").exists():
            self.format()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.java("kafka.Kafka", self.configuration), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        if wait:
            self.wait_answers()
        return self

    def format(self):
        """Writes its configuration, and has its empty folder prepared as a broker wants it."""
        self.data.mkdir(parents=True)
        text = properties.format(port=self.port, controller=self.controller, data=self.data)
        text += "".join(f"{name}={value}\n" for name, value in self.settings.items())
        self.configuration.write_text(text)
        done = subprocess.run(self.java("kafka.tools.StorageTool", "format", f"--cluster-id={new_id()}", "--config",
                                        self.configuration), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def java(self, program, *arguments):
        return ["java", *java_options, *self.options, "-cp", jars(), program, *map(str, arguments)]

    def wait_answers(self, timeout=60):
        """Until it takes connections; it does so once it is part of its cluster."""
        wait_until(self.answers, timeout, "the start of a broker")

    def answers(self):
        assert self.process.poll() is None, f"the broker ended:\n{self.log_tail()}"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True

    def stop(self, timeout=30):
        """In order, with its logs closed; SIGKILL when that takes too long."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def log_tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.kill()


def new_id():
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Broker(sys.argv[1]) as broker:
        print(broker.address, flush=True)
        sys.exit(broker.process.wait())


if __name__ == "__main__":
    main()
