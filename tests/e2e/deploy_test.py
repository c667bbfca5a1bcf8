"""What deploy/ has, as far as it can be proved without a container engine: rules and configurations by the programs
that read them, and names by what Pebbles itself knows."""
import json
import os
import re
import subprocess

import harness
import pytest
import sqs
import yaml
from api_support import pebbles
from elasticmq import ElasticMq

deploy = harness.root / "deploy"
compose = yaml.safe_load((deploy / "compose.yaml").read_text())
services = compose["services"]
rules = yaml.safe_load((deploy / "prometheus/alerts.yml").read_text())["groups"][0]["rules"]
dashboard = json.loads((deploy / "grafana/dashboards/pebbles.json").read_text())
metrics = harness.root / "docs/metrics.md"
operations = (harness.root / "docs/operations.md").read_text()
of_base_image = {"libc6", "libgcc-s1"}


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def expressions():
    return [rule["expr"] for rule in rules] + [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


def test_prometheus_takes_its_configuration():
    run("promtool", "check", "config", deploy / "prometheus/prometheus.yml")
    assert "found" in run("promtool", "check", "rules", deploy / "prometheus/alerts.yml")


def test_each_alert_fires_when_it_should():
    run("promtool", "test", "rules", "alerts_test.yml", cwd=deploy / "prometheus")
    cases = yaml.safe_load((deploy / "prometheus/alerts_test.yml").read_text())["tests"]
    proved = {(part["alertname"], bool(part["exp_alerts"])) for case in cases for part in case["alert_rule_test"]}
    assert proved == {(rule["alert"], fires) for rule in rules for fires in (True, False)}


def test_each_alert_is_explained():
    assert re.findall(r"(?m)^\| `(Pebbles\w+)` \|", operations) == [rule["alert"] for rule in rules]


def test_expressions_are_promql_over_metrics_that_there_are(tmp_path):
    texts = [text.replace("$__rate_interval", "5m") for text in expressions()]
    groups = [{"name": "all", "rules": [{"record": f"expression:{number}", "expr": text}
                                        for number, text in enumerate(texts)]}]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    run("promtool", "check", "rules", tmp_path / "rules.yml")
    known = set(re.findall(r"`((?:pebbles|process)_\w+)", metrics.read_text()))
    used = {re.sub("_(bucket|count|sum)$", "", name) for name in
            re.findall(r"\b(?:pebbles|process)_\w+", " ".join(texts))}
    assert used <= known, used - known
    assert len(used) > 20


def test_the_dashboard_has_a_place_for_each_panel():
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(set(places)) == len(places)
    source = yaml.safe_load((deploy / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"] if "targets" in panel} == {source["uid"]}


def instances():
    return {name: service for name, service in services.items() if re.fullmatch(r"pebbles-\d", name)}


def test_what_compose_sets_is_what_pebbles_knows():
    known = set(re.findall(r"(?m)^(\w+)=", pebbles("config").stdout)) | {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert len(instances()) == 3
    for service in instances().values():
        environment = service["environment"]
        assert set(environment) <= known, set(environment) - known
        settings = {**environment, "JWT_SECRET": harness.secret}
        taken = pebbles("config", env=settings)
        assert taken.returncode == 0, taken.stderr
        stop_s = int(environment["SHUTDOWN_TIMEOUT_S"])
        assert int(service["stop_grace_period"].removesuffix("s")) > stop_s > int(environment["SHUTDOWN_DELAY_S"])


def test_compose_is_consistent():
    assert "version" not in compose
    for name, service in services.items():
        assert set(service["networks"]) <= set(compose["networks"]), name
        for other, how in service.get("depends_on", {}).items():
            wanted = how["condition"]
            if wanted == "service_healthy":
                # That of Pebbles is in its image.
                assert "healthcheck" in services[other] or "build" in services[other], (name, other)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (deploy / source).exists() if source.startswith(".") else source in compose["volumes"], volume
        if "build" not in service:
            assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"]), f"{name}: {service['image']}"
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} is open to the network: {port}"


def test_no_secret_has_a_default():
    text = (deploy / "compose.yaml").read_text()
    assert dict(re.findall(r"(\w+): \$\{(\w+):\?", text)) == {
        "JWT_SECRET": "JWT_SECRET", "GF_SECURITY_ADMIN_PASSWORD": "GRAFANA_PASSWORD"}
    assert len(re.findall(r"\$\{", text)) == 2


def test_whoever_is_named_is_there():
    """The addresses that haproxy and Prometheus have are those of the compose file and of the image."""
    (port,) = re.findall(r"(?m)^EXPOSE (\d+)$", dockerfile())
    wanted = {f"{name}:{port}" for name in instances()}
    found = re.findall(r"(?m)^  server (\S+) (\S+)$", (deploy / "haproxy.cfg").read_text())
    assert {address for _, address in found} == wanted and len(found) == 2 * len(wanted)
    prometheus = yaml.safe_load((deploy / "prometheus/prometheus.yml").read_text())
    metrics_port = services["pebbles-1"]["environment"]["METRICS_PORT"]
    watched = {f"{name}:{metrics_port}" for name in instances()}
    assert set(prometheus["scrape_configs"][0]["static_configs"][0]["targets"]) == watched
    topics = (deploy / "kafka-topics.sh").read_text()
    environment = services["pebbles-1"]["environment"]
    assert f"{environment['KAFKA_TOPIC_NAME']} {environment['KAFKA_DLQ_TOPIC']};" in topics


def test_haproxy_takes_its_configuration():
    """As it is shipped, with names that nobody answers to; tests/faults/instances_test.py runs it."""
    assert "Configuration file is valid" in run("haproxy", "-c", "-f", deploy / "haproxy.cfg")


def test_elasticmq_makes_the_queues(tmp_path):
    service = ElasticMq(tmp_path)
    service.options = [f"-Drest-sqs.bind-port={service.port}", "-Drest-sqs.bind-hostname=127.0.0.1"]
    service.write_configuration()
    (tmp_path / "elasticmq.conf").write_text((deploy / "elasticmq.conf").read_text())
    service.log.touch()  # the configuration is there
    with service:
        listed = sqs.client_of(service.url).list_queues()["QueueUrls"]
    environment = services["pebbles-1"]["environment"]
    assert set(listed) == {environment["SQS_QUEUE_URL"], environment["SQS_DLQ_URL"]}


def dockerfile():
    return (deploy / "Dockerfile").read_text()


def needed_packages(binary):
    """Of the libraries that a program names itself."""
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", binary)))
    paths = dict(re.findall(r"(?m)^\s*(\S+) => (\S+)", run("ldd", binary)))
    out = set()
    for name in needed & set(paths):
        path = os.path.realpath(paths[name])
        owners = [subprocess.run(["dpkg-query", "-S", candidate], capture_output=True, text=True)
                  for candidate in (path, "/usr" + path, path.removeprefix("/usr"))]
        out.add(next(found.stdout.split(":")[0] for found in owners if found.returncode == 0))
    return out


@pytest.mark.skipif(not os.path.exists("/var/lib/dpkg"), reason="asks Debian's package manager")
def test_the_image_has_the_libraries_that_the_server_needs():
    stage = dockerfile().split("\nFROM ")[-1]
    installed = set(re.findall(r"(?<=\s)lib[\w.+-]+|zlib1g", stage.split("&& rm")[0]))
    assert installed == needed_packages(harness.release_binary()) - of_base_image


def test_the_image_is_built_from_what_there_is():
    for sources in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", dockerfile()):
        for source in sources.split():
            assert (harness.root / source).exists(), source
            assert f"!{source}" in (deploy / "Dockerfile.dockerignore").read_text().splitlines(), source


def test_the_image_serves_as_nobody_and_stops_in_order():
    stage = dockerfile().split("\nFROM ")[-1]
    (user,) = re.findall(r"(?m)^USER (\d+):\d+$", stage)
    assert int(user) > 0
    assert "\nSTOPSIGNAL SIGTERM\n" in stage and 'CMD ["pebbles", "health"]' in stage


def test_systemd_takes_the_unit(tmp_path):
    text = (deploy / "pebbles.service").read_text()
    (tmp_path / "pebbles.service").write_text(text.replace("/usr/local/bin/pebbles", harness.binary()).replace(
        "file:/usr/local/share/doc/pebbles/README.md", f"file:{harness.root}/README.md"))
    assert run("systemd-analyze", "verify", "--man=no", tmp_path / "pebbles.service") == ""
    # In tenths: what is left open is the network.
    run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=15", deploy / "pebbles.service")
