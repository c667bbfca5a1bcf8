"""A real queue service that speaks the protocol of Amazon SQS: ElasticMQ, one process in Java on 127.0.0.1.

What tests do with its queues is in sqs.py. `python -m elasticmq FOLDER` serves until it is ended, and prints its URL.
"""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import urllib.request

from harness import Started, free_port, root, wait_until

java_options = ["-Xms32m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                "-Djava.net.preferIPv4Stack=true", f"-Djava.io.tmpdir={tempfile.gettempdir()}"]

configuration = """
include classpath("application.conf")
pekko.loglevel = "WARNING"
node-address {{ protocol = http, host = "127.0.0.1", port = {port}, context-path = "" }}
rest-sqs {{ enabled = true, bind-hostname = "127.0.0.1", bind-port = {port}, sqs-limits = strict }}
rest-stats.enabled = false
aws {{ region = "eu-central-1", accountId = "000000000000" }}
"""

# Of queues and messages. Without a delay of writing, what H2 has been told outlives SIGKILL. One thread for all: the
# actor that stores messages reads them while others change them, and once that has gone wrong it stores nothing more
# and says that it did (ElasticMQ 1.6.12 to 1.7.1).
persistent = """
messages-storage {{ enabled = true, uri = "jdbc:h2:file:{folder}/messages;WRITE_DELAY=0" }}
pekko.actor.default-dispatcher {{ executor = "thread-pool-executor", thread-pool-executor.fixed-pool-size = 1 }}
"""

logging = """
<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder>
    <pattern>%d{HH:mm:ss.SSS} %-5level %logger{0} - %msg%n</pattern>
  </encoder></appender>
  <root level="WARN"><appender-ref ref="out" /></root>
</configuration>
"""


def jars():
    folder = pathlib.Path(os.environ.get("PEBBLES_ELASTICMQ") or root / "build/components/elasticmq")
    assert folder.exists(), f"there is no {folder}: script/test gets it"
    return f"{folder}/*"


class ElasticMq(Started):
    """One service on a folder and a port of its own, which it keeps over restarts. Queues and messages are in its
    memory, unless `is_persistent`: then in the folder. `options` are further options of Java."""

    region = "eu-central-1"

    def __init__(self, folder, *, is_persistent=False, options=()):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.is_persistent = is_persistent
        self.options = list(options)
        self.process = None
        self.log = self.folder / "elasticmq.log"

    @property
    def url(self):
        """What SQS_ENDPOINT takes."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, wait=True):
        assert self.process is None, "this service runs already"
        if not self.log.exists():
            self.write_configuration()
        command = ["java", *java_options, *self.options, f"-Dconfig.file={self.folder}/elasticmq.conf",
                   f"-Dlogback.configurationFile={self.folder}/logback.xml", "-cp", jars(), "org.elasticmq.server.Main"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            self.wait_answers()
        return self

    def write_configuration(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        text = configuration + (persistent if self.is_persistent else "")
        (self.folder / "elasticmq.conf").write_text(text.format(port=self.port, folder=self.folder))
        (self.folder / "logback.xml").write_text(logging)

    def wait_answers(self, timeout=60):
        wait_until(self.answers, timeout, "the start of ElasticMQ")

    def answers(self):
        assert self.process.poll() is None, f"ElasticMQ ended:\n{self.log_tail()}"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
            return answer.status == 200

    def stop(self, timeout=30):
        """In order; SIGKILL when that takes too long."""
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


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ElasticMq(sys.argv[1]) as service:
        print(service.url, flush=True)
        sys.exit(service.process.wait())


if __name__ == "__main__":
    main()
