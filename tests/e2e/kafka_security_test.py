"""A broker that wants TLS and a password, as managed ones do."""
import confluent_kafka.admin
import httpx
import pytest
from certificate import write_certificate
from harness import free_port, wait_until
from kafka import Broker, Client
from kafka_source_test import Topic, message, wait_for_done

user, password = "pebbles", "a pass=word"


class SecureBroker(Broker):
    """Beside its plain listener, by which tests talk with it, one for TLS and SCRAM."""

    def __init__(self, folder):
        super().__init__(folder)
        folder.mkdir()
        self.secure_port = free_port()
        certificate, self.authority = write_certificate(folder)
        listeners = f"PLAINTEXT://127.0.0.1:{self.port},SECURE://127.0.0.1:{self.secure_port}"
        secure = "listener.name.secure"
        self.settings = {
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self.controller}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            f"{secure}.scram-sha-512.sasl.jaas.config":
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            f"{secure}.ssl.keystore.type": "PEM",
            f"{secure}.ssl.keystore.location": certificate,
        }

    def add_user(self):
        admin = confluent_kafka.admin
        scram = admin.ScramCredentialInfo(admin.ScramMechanism.SCRAM_SHA_512, 4096)
        change = admin.UserScramCredentialUpsertion(user, scram, password.encode())
        client = admin.AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        for future in client.alter_user_scram_credentials([change]).values():
            future.result(30)

    def env(self, **more):
        return {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.secure_port}", "KAFKA_CONF_SECURITY_PROTOCOL": "sasl_ssl",
                "KAFKA_CONF_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_CONF_SASL_USERNAME": user,
                "KAFKA_CONF_SSL_CA_LOCATION": str(self.authority), **more}


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    with SecureBroker(tmp_path_factory.mktemp("secure") / "kafka") as broker:
        broker.add_user()
        yield broker


def test_tls_and_a_password_from_a_file(make_server, secure, krn, tmp_path):
    secret = tmp_path / "password"
    secret.write_text(password + "\n")
    topic = Topic(Client(secure.address))
    topic.produce(message(krn=krn, done=1), message(krn=krn, email="eve@example.com"))
    server = make_server(env=topic.env(**secure.env(KAFKA_CONF_SASL_PASSWORD_FILE=str(secret)))).start()
    wait_for_done(server, krn, 1)
    topic.wait_committed()
    assert len(topic.read_dead_letters()) == 1
    assert password not in server.log_text()


@pytest.mark.parametrize("wrong", [{"KAFKA_CONF_SASL_PASSWORD": "wrong"},
                                   {"KAFKA_CONF_SASL_PASSWORD": password, "KAFKA_CONF_SSL_CA_LOCATION": ""}],
                         ids=["password", "authority"])
def test_who_is_not_let_in_says_so_and_serves_http(make_server, secure, krn, wrong):
    topic = Topic(Client(secure.address))
    env = topic.env(**secure.env(**wrong))
    server = make_server(env={name: value for name, value in env.items() if value}).start()
    wait_until(lambda: "kafka_away" in server.log_text(), 30, "a word about it")
    assert "kafka_assigned" not in server.log_text()
    assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200
    assert "wrong" not in server.log_text()
