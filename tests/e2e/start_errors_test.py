"""Every reason for which a start is refused is printed, as a sentence that says which setting, what and what to do."""
import json
import re
import socket
import sqlite3

import harness
import pytest
from api_support import pebbles

secret = "hunter2-and-nobody-else-may-read-it"
key = {"JWT_SECRET": harness.secret}
kafka = {"KAFKA_ENABLED": "true", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
sqs = {"SQS_ENABLED": "true", "SQS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/q", "AWS_REGION": "eu-west-1"}
on_mongo = {"PEBBLES_STORE": "mongodb"}

# What is asked for, and what is printed: all of it, but for the name of the test's folder, which is FOLDER here.
cases = [
    ([], {"PORT": "x"}, "PORT=x: must be a port from 0 to 65535 (0: any free one)"),
    (["--port", "x"], {}, "--port=x: must be a port from 0 to 65535 (0: any free one)"),
    ([], {"JWT_SECRET": secret[:31]}, "JWT_SECRET=(hidden): must be at least 32 bytes"),
    ([], {"JWT_SECRET": "", "JWT_SECRET_FILE": "FOLDER/none"}, "JWT_SECRET_FILE=FOLDER/none: cannot be read"),
    ([], {"JWT_SECRET": "", "JWT_SECRET_FILE": "/dev/zero"}, "JWT_SECRET_FILE=/dev/zero: is longer than 1 MiB"),
    ([], {"JWT_JWKS_URL": f"ftp://a:{secret}@h"}, "JWT_JWKS_URL=ftp://***@h: must be the http or https address of a JWK Set"),
    ([], {"MONGO_URI": f"postgres://a:{secret}@h"},
     "MONGO_URI=(hidden): must be a mongodb:// or mongodb+srv:// connection string"),
    (["--jwt-secret", secret], {},
     "--jwt-secret: this is a secret, and every user of this host can read the command line: set JWT_SECRET in the "
     "environment, or JWT_SECRET_FILE"),
    (["--mongo-uri", f"mongodb://a:{secret}@h"], {},
     "--mongo-uri: it holds a secret, and every user of this host can read the command line: set MONGO_URI in the "
     "environment, or MONGO_URI_FILE"),
    (["--jwt-jwks-url", f"https://h/keys?access_token={secret}"], {},
     "--jwt-jwks-url: it holds a secret, and every user of this host can read the command line: set JWT_JWKS_URL in the "
     "environment"),
    (["--sqs-queue-url", f"https://a:{secret}@h/q"], {},
     "--sqs-queue-url: it holds a secret, and every user of this host can read the command line: set SQS_QUEUE_URL in "
     "the environment"),
    ([], {"KAFKA_CONF_NO_SUCH_THING": "1"}, "KAFKA_CONF_NO_SUCH_THING: no.such.thing is not a setting of librdkafka"),
    ([], {"KAFKA_CONF_ACKS": "1"}, "KAFKA_CONF_ACKS: acks is decided by Pebbles and cannot be set"),
    ([], {"KAFKA_CONF_GROUP_ID": "1"}, "KAFKA_CONF_GROUP_ID: group.id is set by KAFKA_GROUP_ID"),
    ([], {"KAFKA_CONF_SASL_PASSWORD_FILE": "FOLDER/none"}, "KAFKA_CONF_SASL_PASSWORD_FILE=FOLDER/none: cannot be read"),
    ([], {"KAFKA_TOPIC": "a", "KAFKA_TOPIC_NAME": "b"},
     "KAFKA_TOPIC=a: must be the same as KAFKA_TOPIC_NAME=b, or absent"),
    ([], {"KAFKA_TOPIC": "a b"}, "KAFKA_TOPIC=a b: must be the name of a topic"),
    ([], {"KAFKA_ENABLED": "true"}, "KAFKA_ENABLED is on, but KAFKA_BOOTSTRAP_SERVERS is not set"),
    ([], {**kafka, "KAFKA_TOPIC": "a", "KAFKA_DLQ_TOPIC": "a"}, "KAFKA_DLQ_TOPIC=a: must not be the topic that is read"),
    ([], {**kafka, "KAFKA_CONF_PARTITION_ASSIGNMENT_STRATEGY": "cooperative-sticky"},
     "KAFKA_CONF: partition.assignment.strategy=cooperative-sticky: must be an eager one (docs/kafka.md)"),
    ([], {**kafka, "KAFKA_CONF_SESSION_TIMEOUT_MS": "x"},
     'KAFKA_CONF: session.timeout.ms=x: Invalid value for configuration property "session.timeout.ms"'),
    ([], {"SQS_ENABLED": "true"}, "SQS_ENABLED is on, but SQS_QUEUE_URL is not set"),
    ([], {**sqs, "SQS_DLQ_URL": sqs["SQS_QUEUE_URL"]},
     f"SQS_DLQ_URL={sqs['SQS_QUEUE_URL']}: must not be the queue that is read"),
    ([], {**sqs, "AWS_REGION": "eu-west-2"},
     f"SQS_QUEUE_URL={sqs['SQS_QUEUE_URL']}: is in the region eu-west-1, but AWS_REGION is eu-west-2"),
    ([], {"AWS_ENDPOINT_URL": "ftp://h"}, "AWS_ENDPOINT_URL=ftp://h: must be an http or https address"),
    ([], {"JWT_ALGORITHMS": "RS256"}, "JWT_ALGORITHMS names no algorithm that a configured key serves"),
    ([], {"JWT_PUBLIC_KEY_FILE": "FOLDER/none"}, "JWT_PUBLIC_KEY_FILE=FOLDER/none: cannot be read"),
    ([], {"JWT_PUBLIC_KEY_FILE": "FOLDER/text"},
     "JWT_PUBLIC_KEY_FILE=FOLDER/text: it holds no PEM block that can be read"),
    ([], {"JWT_PUBLIC_KEY_FILE": "FOLDER/symmetric"},
     "JWT_PUBLIC_KEY_FILE=FOLDER/symmetric: it holds no usable key; (no kid): it holds a secret: nobody may publish that"),
    ([], {"JWT_SECRET": "", **on_mongo},
     "no way to verify tokens: set JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL, or try Pebbles out with --embedded DIR"),
    (["--embedded", "FOLDER/text"], {}, "cannot make FOLDER/text: Not a directory"),
    (["--embedded", "FOLDER/short-key"], {"JWT_SECRET": ""}, "FOLDER/short-key/development.key holds no usable key"),
    ([], {"PEBBLES_STORE": "sqlite:FOLDER/none/x.db"}, "cannot open FOLDER/none/x.db-lock: No such file or directory"),
    ([], {"PEBBLES_STORE": "sqlite:FOLDER/text"}, "FOLDER/text: SQLite: file is not a database (code 26)"),
    ([], {"PEBBLES_STORE": "sqlite:FOLDER/other.db"},
     "FOLDER/other.db: SQLite: a database, but not one of Pebbles (code 26)"),
    ([], {**on_mongo, "MONGO_URI": f"mongodb://a:{secret}:x@h"},
     "MONGO_URI is not a connection string: in its user name and password, @ must be written as %40, : as %3A, / as %2F "
     "and % as %25 (RFC 3986)"),
    ([], {**on_mongo, "MONGO_URI": f"mongodb://a:{secret}%zz@h"},
     "MONGO_URI is not a connection string: in its user name and password, @ must be written as %40, : as %3A, / as %2F "
     "and % as %25 (RFC 3986)"),
    ([], {**on_mongo, "MONGO_URI": f"mongodb://a:{secret}/@h"},
     "MONGO_URI is not a connection string: Invalid host string in URI"),
    ([], {**on_mongo, "MONGO_URI": "mongodb://127.0.0.1:9/?w=1"},
     "MONGO_URI asks for weaker writes than w=majority&journal=true: leave w and journal out"),
    ([], {"HOST": "no-such-host.invalid"}, None),
    ([], {"HOST": "[::1", "PORT": "0"}, None),
    ([], {"HOST": "127.0.0.1", "PORT": "TAKEN"}, "cannot listen on 127.0.0.1:TAKEN: Address already in use"),
    ([], {"HOST": "127.0.0.1", "METRICS_PORT": "TAKEN"}, "cannot listen on 127.0.0.1:TAKEN: Address already in use"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start-errors")
    (folder / "text").write_text("nothing of use\n" * 100)
    (folder / "symmetric").write_text(json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}))
    (folder / "short-key").mkdir()
    (folder / "short-key" / "development.key").write_text("short\n")
    with sqlite3.connect(folder / "other.db") as other:
        other.execute("CREATE TABLE x(y)")
    other.close()
    return folder


@pytest.fixture(scope="module")
def refused(folder):
    """What a start prints that is refused."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])

        def start(arguments, env):
            def fill(text):
                return text.replace("FOLDER", str(folder)).replace("TAKEN", taken)

            where = [] if any("embedded" in text for text in arguments) or "PEBBLES_STORE" in env else [
                "--embedded", str(folder / "data")]
            result = pebbles("serve", *where, *map(fill, arguments), timeout=15,
                             env={"PORT": "0", "HOST": "127.0.0.1", **key, **{name: fill(env[name]) for name in env}})
            assert result.returncode == 2, result
            text = result.stdout + result.stderr
            assert secret not in text and harness.secret not in text
            last = result.stderr.strip().splitlines()[-1]
            assert last.startswith("pebbles: ")
            return last.removeprefix("pebbles: ").replace(str(folder), "FOLDER").replace(taken, "TAKEN")

        yield start


@pytest.fixture(scope="module")
def printed(refused):
    return [(refused(arguments, env), expected) for arguments, env, expected in cases]


def test_each_says_what_is_wrong(printed):
    for text, expected in printed:
        print(text)
        assert expected is None or text == expected


def test_none_is_damaged_by_the_redaction(printed):
    """`***` stands only where a name and password stood in an address."""
    for text, _ in printed:
        assert "***" not in re.sub(r"://\*\*\*@", "", text), text


def test_each_setting_says_what_it_may_be(refused):
    """A value that none allows, but for those that allow every text."""
    free = {"HOST", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_GROUP_ID", "KAFKA_LOG_ID", "JWT_PUBLIC_KEY_FILE", "JWT_ISSUER",
            "JWT_AUDIENCE", "JWT_CLIENT_CLAIM"}
    names = [line.split("=")[0] for line in pebbles("config", env={}).stdout.splitlines()]
    assert len(names) > 50 and free <= set(names)
    for name in set(names) - free:
        text = refused([], {name: "((,"})
        assert re.fullmatch(rf"{name}=(\(\(,|\(hidden\)): must be .+", text), text


def test_no_other_sentence_is_in_the_sources(printed):
    """What the code of the start can say and no case above brings about has to be added there, or here with a reason."""
    untried = {
        "cannot write {}",  # the disk is full
        "cannot make {}: {}",  # tried above, for the folder; here of the key in a folder that is not ours
        "there is no development key in {}",  # of `pebbles token`
        "MONGO_URI cannot be used: {}",  # TLS that the library was not built with
        "{} is in use by another process",  # tests/e2e/api_token_test.py and others start a second server
        "KAFKA_BOOTSTRAP_SERVERS: ", "KAFKA_CONF: {}=(hidden): is not allowed",  # librdkafka judges these late
        " is not a setting of librdkafka",
    }
    said = "\n".join(text for text, _ in printed)
    sources = ["config.cpp", "token_keys.cpp", "development_key.cpp", "open_store.cpp", "sqs_options.cpp",
               "small_file.cpp"]
    text = "\n".join((harness.root / "src/app" / name).read_text() for name in sources)
    text += (harness.root / "src/ingress/kafka/options.cpp").read_text()
    for call in re.findall(r"failure\(\s*Errc::\w+,(.*?)\);", text, re.S):
        literals = re.findall(r'"((?:[^"\\]|\\.)*)"\s*(?="|[,)+]|$)', call)
        joined = re.sub(r'"\s*"', "", call)
        for sentence in re.findall(r'"((?:[^"\\]|\\.)+)"', joined):
            if sentence in untried or "{" not in sentence and len(sentence) < 20 or not literals:
                continue
            pattern = ".+".join(re.escape(part) for part in re.split(r"\{[^}]*\}", sentence))
            assert re.search(pattern, said), f"nothing above prints: {sentence}"
