"""What src/aws signs, against the signer of AWS's own SDK for Python."""
import datetime
import random
import re
import socket
import string

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import harness
import pytest
from aws_support import AwsCall, Stub, keys

seed = 20_261_125
rounds = 130
regions = ["us-east-1", "eu-west-1", "ap-southeast-2", "cn-north-1", "us-gov-west-1", "elasticmq", "x"]
signed_names = ["content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"]
key_characters = string.ascii_letters + string.digits + "/+="
# All that a visible character can be: a colon would divide the two in libcurl's USERPWD, a percent sign in a URL.
odd_characters = "".join(map(chr, range(0x21, 0x7f)))


def random_text(random, alphabet, shortest, longest):
    return "".join(random.choices(alphabet, k=random.randint(shortest, longest)))


def random_body(random):
    odd = ["{}", "", "\r\n", '{"a":"\r\n"}', "\0", '{"\0":"\0\0"}', "é€😀\u2028", "%20+&=?#", '{"QueueUrl":"http://h/1/q?x=y"}',
           " {} ", "\ufeff{}", "\x7f\x01"]
    kind = random.randrange(4)
    if kind == 0:
        return random.choice(odd)
    if kind == 1:
        return random_text(random, "aé€😀\0\r\n\t\"\\{}", 1, 500)
    if kind == 2:
        return random_text(random, string.printable, 1, 2_000)
    return random.choice(["x", "é", "\0"]) * random.choice([10_000, 262_144, 1_100_000])


def expected_authorization(request, host, region, secrets):
    """What botocore makes of the request that came, at the time that it says."""
    headers = {name: request.headers[name] for name in request.headers if name.lower() in signed_names}
    made_at = datetime.datetime.strptime(headers.pop("X-Amz-Date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    headers.pop("X-Amz-Security-Token", None)  # the signer adds its own
    made = botocore.awsrequest.AWSRequest("POST", f"http://{host}/", headers, request.body)
    credentials = botocore.credentials.Credentials(*secrets)

    signer = botocore.auth.SigV4Auth(credentials, "sqs", region)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda *unused: made_at)
        signer.add_auth(made)
    return made.headers["Authorization"]


def answers_nothing(_):
    return "{}"


@pytest.mark.parametrize("batch", range(5))
def test_signatures_equal_botocores(batch):
    """Each program has keys and a region of its own and sends some requests."""
    seeded = random.Random(seed + batch)
    compared = 0
    with Stub(answers_nothing) as server:
        for _ in range(5):
            alphabet = seeded.choice([key_characters, odd_characters])
            secrets = [random_text(seeded, alphabet, 1, 128), random_text(seeded, alphabet, 1, 128),
                       seeded.choice([None, random_text(seeded, alphabet, 1, 2_000)])]
            region, name = seeded.choice(regions), seeded.choice(["127.0.0.1", "localhost"])
            host = f"{name}:{server.port}"
            names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
            env = {name: value for name, value in zip(names, secrets) if value}
            slash = seeded.choice(["", "/"])
            with AwsCall(f"http://{host}{slash}", region=region, env=env) as client:
                for _ in range(rounds // 25 + 1):
                    body, action = random_body(seeded), random_text(seeded, string.ascii_letters, 1, 30)
                    assert client.call(body, action) == {"body": "{}"}
                    request = server.requests.pop()
                    assert request.body == body.encode() and request.path == "/"
                    assert request.headers["X-Amz-Target"] == f"AmazonSQS.{action}"
                    assert request.headers["Host"] == host
                    assert request.headers["X-Amz-Security-Token"] == secrets[2]
                    assert request.headers["Authorization"] == expected_authorization(request, host, region, secrets)
                    compared += 1
    assert compared * 5 >= rounds


def test_everything_that_matters_is_signed():
    with Stub(answers_nothing) as server, AwsCall(server.url, env={**keys, "AWS_SESSION_TOKEN": "t"}) as client:
        client.call()
        headers = server.requests[0].headers
        assert re.search(r"SignedHeaders=([^,]+)", headers["Authorization"])[1].split(";") == signed_names
        assert headers["Content-Type"] == "application/x-amz-json-1.0"
        for name in headers:
            assert len(headers.get_all(name)) == 1, name


def test_a_connection_carries_many_calls():
    with Stub(answers_nothing) as server, AwsCall(server.url) as client:
        for number in range(20):
            assert client.call(f'{{"n":{number}}}') == {"body": "{}"}
        assert len(server.requests) == 20 and server.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_made_again():
    with Stub(lambda _: (200, "{}", {"Keep-Alive": "timeout=60"})) as server, AwsCall(server.url) as client:
        server.server.RequestHandlerClass.timeout = 1  # of the next connection: it is closed when nothing comes
        client.call()
        harness.wait_until(lambda: not established(server.port), what="the server's closing")
        assert client.call() == {"body": "{}"}
        assert server.connections == 2


def established(port):
    """Whether some connection of that port is open at the server's end."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in list(table)[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def test_faults_say_what_the_service_says():
    body = '{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}'
    with Stub(lambda _: (400, body)) as server, AwsCall(server.url) as client:
        assert client.call() == {"fault": "refused", "status": 400, "code": "QueueDoesNotExist", "message": "no such queue"}
        server.answer = lambda _: (400, "", {"X-Amzn-Query-Error": "RequestThrottled;Sender"})
        assert client.call() == {"fault": "throttled", "status": 400, "code": "RequestThrottled", "message": ""}
        server.answer = lambda _: (503, "<html>busy</html>")
        assert client.call()["fault"] == "away"
        server.answer = lambda _: (302, "", {"Location": server.url + "/elsewhere"})
        assert client.call()["fault"] == "refused"
        assert [request.path for request in server.requests] == ["/"] * 4, "a redirect was followed"


def test_no_answer_is_away():
    with AwsCall(f"http://127.0.0.1:{harness.free_port()}") as client:
        assert client.call()["fault"] == "away"
    with Stub(lambda _: None) as server, AwsCall(server.url) as client:
        fault = client.call()
        assert (fault["fault"], fault["status"]) == ("away", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent, AwsCall(f"http://127.0.0.1:{silent.getsockname()[1]}") as client:
        assert "timed out" in client.call(timeout_ms=300)["message"]


def test_an_answer_without_end_is_cut_off():
    with Stub(lambda _: (200, b"x" * (16 << 20) + b"y")) as server, AwsCall(server.url) as client:
        assert client.call()["message"] == f"the answer is longer than {16 << 20} bytes"
        server.answer = lambda _: (200, "{}", {"X-Long": "x" * 60_000, "X-More": "x" * 10_000})
        assert "headers" in client.call()["message"]
        server.answer = answers_nothing
        assert client.call() == {"body": "{}"}


def test_calls_heed_the_environments_proxy():
    with Stub(answers_nothing) as proxy:
        env = {**keys, "http_proxy": proxy.url}
        with AwsCall("http://sqs.example:8000", env=env) as client:
            assert client.call() == {"body": "{}"}
            assert proxy.requests[0].path == "http://sqs.example:8000/"
        with AwsCall("http://127.0.0.1:9", env={**env, "no_proxy": "127.0.0.1"}) as client:
            assert client.call()["fault"] == "away"
