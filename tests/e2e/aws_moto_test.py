"""src/aws against moto, a double of AWS that checks signatures and rights as IAM does."""
import json
import os
import subprocess
import sys
import urllib.request

import boto3
import botocore.config
import harness
import pytest
from aws_support import AwsCall, keys

account = "123456789012"
region = "eu-west-1"


class Moto(harness.Started):
    """Its server on loopback, with an account in it whose user and role may do some things with queues."""

    def __init__(self, folder):
        self.port = harness.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        unchecked = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "1000000", "no_proxy": "127.0.0.1"}
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with open(folder / "moto.log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=unchecked)
        harness.wait_until(self.answers, timeout=60, what="moto's start")

    def answers(self):
        assert self.process.poll() is None, "moto has ended"
        try:
            return self.post("/moto-api/reset")
        except OSError:
            return False

    def post(self, path, body=b""):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(self.url + path, data=body, headers={"Content-Type": "text/plain"})
        return opener.open(request, timeout=10).status == 200

    def client(self, service):
        return boto3.client(service, endpoint_url=self.url, region_name=region, aws_access_key_id="any",
                            aws_secret_access_key="any", config=botocore.config.Config(proxies={}))

    def prepare(self):
        """Makes a queue, a user and a role, and checks what is asked from then on. The user's key."""
        policy = json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["sqs:ListQueues", "sqs:SendMessage", "sqs:GetQueueUrl"], "Resource": "*"}]})
        anyone = json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": "*"}}]})
        iam = self.client("iam")
        iam.create_user(UserName="worker")
        iam.put_user_policy(UserName="worker", PolicyName="queues", PolicyDocument=policy)
        iam.create_role(RoleName="worker", AssumeRolePolicyDocument=anyone)
        iam.put_role_policy(RoleName="worker", PolicyName="queues", PolicyDocument=policy)
        self.queue = self.client("sqs").create_queue(QueueName="progress")["QueueUrl"]
        key = iam.create_access_key(UserName="worker")["AccessKey"]
        self.check(True)
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def check(self, wanted):
        """Whether signatures and rights are checked."""
        assert self.post("/moto-api/reset-auth", b"0" if wanted else b"1000000")


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    moto = Moto(tmp_path_factory.mktemp("moto"))
    moto.key = moto.prepare()
    yield moto
    moto.kill()


def call(moto, env, action="ListQueues", body="{}"):
    with AwsCall(moto.url, region=region, env=env) as client:
        return client.call(body, action)


def test_a_good_signature_is_accepted(moto):
    answer = call(moto, moto.key)
    assert json.loads(answer["body"])["QueueUrls"] == [moto.queue], answer


def test_bodies_are_signed_as_they_are(moto):
    with AwsCall(moto.url, region=region, env=moto.key) as client:
        for text in ["plain", "é€😀", "a\r\n\tb", "x" * 200_000]:
            answer = client.call(json.dumps({"QueueUrl": moto.queue, "MessageBody": text}), "SendMessage")
            assert "MessageId" in answer.get("body", ""), answer


def test_a_wrong_key_is_denied(moto):
    wrong = {**moto.key, "AWS_SECRET_ACCESS_KEY": moto.key["AWS_SECRET_ACCESS_KEY"].swapcase()}
    fault = call(moto, wrong)
    assert (fault["fault"], fault["status"]) == ("denied", 403)
    assert call(moto, keys)["fault"] == "denied", "an unknown key"


def test_a_right_that_is_missing_is_denied(moto):
    fault = call(moto, moto.key, "PurgeQueue", json.dumps({"QueueUrl": moto.queue}))
    assert (fault["fault"], fault["status"]) == ("denied", 403)


def test_what_does_not_exist_is_refused(moto):
    fault = call(moto, moto.key, "GetQueueUrl", '{"QueueName": "absent"}')
    assert (fault["fault"], fault["code"]) == ("refused", "QueueDoesNotExist")


def test_a_web_identity_is_exchanged_for_a_role_that_may_call(moto, tmp_path):
    (tmp_path / "token").write_text("any.web.token")
    env = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": f"arn:aws:iam::{account}:role/worker",
           "AWS_ROLE_SESSION_NAME": "e2e", "AWS_ENDPOINT_URL": moto.url}
    with AwsCall(moto.url, region=region, env=env) as client:
        moto.check(False)  # moto wants this call signed too, which STS does not
        assert client.credentials()["access_key_id"].startswith("ASIA")
        moto.check(True)
        assert "QueueUrls" in client.call().get("body", ""), "the role's key is not taken"
