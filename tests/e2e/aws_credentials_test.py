"""Where credentials come from, each source against a server that speaks its protocol, and which of them decides."""
import os
import socket
import urllib.parse

import botocore.session
import harness
import pytest
from aws_support import AwsCall, Stub, document, keys, nobody, sts_answer

role = "arn:aws:iam::123456789012:role/worker"
env_key = keys["AWS_ACCESS_KEY_ID"]
none_found = "none in the environment"


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def key_of(env, **options):
    with AwsCall(env=env, **options) as client:
        return client.key()


def detail_of(env, **options):
    """The fault; it must be one that is said without a secret in it, in the log too."""
    with AwsCall(env=env, **options) as client:
        got = client.credentials()
        assert "error" in got, got
    said = got["detail"] + client.log
    assert "secret" not in said.replace("aws_secret_access_key", "").replace("AWS_SECRET_ACCESS_KEY", ""), said
    return got["detail"]


@pytest.fixture
def home(tmp_path):
    """A folder with shared files of the SDKs."""
    written(tmp_path / ".aws/credentials", """
[default]
aws_access_key_id = FILE
aws_secret_access_key = secret-of-file

[temporary]
aws_access_key_id = TEMPORARY
aws_secret_access_key = secret-of-temporary
aws_session_token = token-of-temporary
[half]
aws_access_key_id = HALF
""")
    written(tmp_path / ".aws/config", """
[default]
region = eu-west-1
aws_access_key_id = CONFIG
aws_secret_access_key = secret-of-config
aws_session_token = token-of-config
[profile only-config]
aws_access_key_id = CONFIG
aws_secret_access_key = secret-of-config
[profile empty]
region = eu-west-1
[profile assumed]
role_arn = arn:aws:iam::123456789012:role/other
source_profile = default
[profile process]
credential_process = /bin/false
[profile single-sign-on]
sso_session = mine
sso_account_id = 123456789012
""")
    return tmp_path


class TestEnvironment:
    def test_its_keys_are_used(self):
        with AwsCall(env={**keys, "AWS_SESSION_TOKEN": "token"}) as client:
            assert client.credentials() == {"access_key_id": env_key, "session_token": "token", "expires": None,
                                            "secret_access_key": keys["AWS_SECRET_ACCESS_KEY"]}
        assert keys["AWS_SECRET_ACCESS_KEY"] not in client.log

    def test_half_of_a_pair_is_a_fault(self):
        for name in keys:
            assert f"{name} is set" in detail_of({name: keys[name]})

    def test_white_space_around_a_value_is_none_of_it(self):
        assert key_of({**keys, "AWS_ACCESS_KEY_ID": f" {env_key}\n"}) == env_key

    @pytest.mark.parametrize("odd", ["a\nb", "a b", "é", "\x01"])
    def test_keys_that_cannot_be_in_a_header_are_refused(self, odd):
        assert "characters" in detail_of({**keys, "AWS_SESSION_TOKEN": odd})

    def test_without_any_a_call_is_denied_and_nobody_is_asked(self):
        with Stub(lambda _: "{}") as server, AwsCall(server.url, env={}) as client:
            fault = client.call()
            assert fault["fault"] == "denied" and none_found in fault["message"]
            assert not server.requests


class TestProfiles:
    def test_the_default_one_and_the_credentials_file_first(self, home):
        with AwsCall(env={}, home=home) as client:
            got = client.credentials()
        assert (got["access_key_id"], got["session_token"]) == ("FILE", ""), "a token of other keys came along"

    @pytest.mark.parametrize("profile, key, token", [("temporary", "TEMPORARY", "token-of-temporary"),
                                                     ("only-config", "CONFIG", "")])
    def test_the_named_one(self, home, profile, key, token):
        for variable in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]:
            with AwsCall(env={variable: profile}, home=home) as client:
                got = client.credentials()
            assert (got["access_key_id"], got["session_token"]) == (key, token)

    def test_files_by_variables(self, home, tmp_path):
        elsewhere = {"AWS_SHARED_CREDENTIALS_FILE": written(tmp_path / "keys", "[default]\naws_access_key_id=A\n"
                                                                               "aws_secret_access_key=secret\n"),
                     "AWS_CONFIG_FILE": written(tmp_path / "config", "[profile b]\naws_access_key_id=B\n"
                                                                     "aws_secret_access_key=secret\n")}
        assert key_of(elsewhere, home=home) == "A"
        assert key_of({**elsewhere, "AWS_PROFILE": "b"}, home=home) == "B"
        assert key_of({"AWS_SHARED_CREDENTIALS_FILE": "~/keys"}, home=tmp_path) == "A"

    @pytest.mark.parametrize("profile, why", [("absent", "absent is in neither "), ("half", "no aws_secret_access_key"),
                                              ("assumed", "web_identity_token_file"),
                                              ("process", "credential_process is not served"),
                                              ("single-sign-on", "sso_session is not served")])
    def test_what_cannot_be_used_is_said(self, home, profile, why):
        assert why in detail_of({"AWS_PROFILE": profile}, home=home)

    def test_one_without_credentials_leaves_it_to_the_next_source(self, home):
        assert none_found in detail_of({"AWS_PROFILE": "empty"}, home=home)

    def test_missing_files_are_empty_ones(self, tmp_path):
        assert none_found in detail_of({"AWS_CONFIG_FILE": str(tmp_path / "no"), "AWS_SHARED_CREDENTIALS_FILE": "/no/no"})
        assert "is in neither" in detail_of({"AWS_PROFILE": "default"}, home=tmp_path)

    def test_malformed_or_unreadable_files_are_faults(self, tmp_path):
        path = written(tmp_path / "keys", "[default]\naws_access_key_id = A\nthe secret\n")
        assert f"{path}: line 3 is malformed" in detail_of({"AWS_SHARED_CREDENTIALS_FILE": path})
        assert str(tmp_path) in detail_of({"AWS_CONFIG_FILE": str(tmp_path)}), "a folder"
        path = written(tmp_path / "long", "#" * ((1 << 20) + 1))
        assert "longer" in detail_of({"AWS_CONFIG_FILE": path})


def token_env(tmp_path, server, token="the.token/+=&"):
    return {"AWS_WEB_IDENTITY_TOKEN_FILE": written(tmp_path / "token", token + "\n"), "AWS_ROLE_ARN": role,
            "AWS_ENDPOINT_URL_STS": server.url}


class TestWebIdentity:
    def test_a_token_is_exchanged(self, tmp_path):
        with Stub(lambda _: sts_answer("WEB")) as sts:
            with AwsCall(env={**token_env(tmp_path, sts), "AWS_ROLE_SESSION_NAME": "me@here"}) as client:
                got = client.credentials()
        assert (got["access_key_id"], got["secret_access_key"], got["session_token"]) == ("WEB", "secret-of-WEB",
                                                                                          "token&more==")
        assert got["expires"] is not None
        request, = sts.requests
        assert (request.method, request.path) == ("POST", "/") and "Authorization" not in request.headers
        assert urllib.parse.parse_qs(request.body.decode(), strict_parsing=True) == {
            "Action": ["AssumeRoleWithWebIdentity"], "Version": ["2011-06-15"], "RoleArn": [role],
            "RoleSessionName": ["me@here"], "WebIdentityToken": ["the.token/+=&"]}

    def test_of_a_profile(self, tmp_path):
        with Stub(lambda _: sts_answer("WEB")) as sts:
            env = token_env(tmp_path, sts)
            written(tmp_path / ".aws/config", f"[profile web]\nrole_arn = {role}2\nrole_session_name = named\n"
                                              f"web_identity_token_file = {env['AWS_WEB_IDENTITY_TOKEN_FILE']}\n")
            assert key_of({"AWS_PROFILE": "web", "AWS_ENDPOINT_URL": sts.url}, home=tmp_path) == "WEB"
        form = urllib.parse.parse_qs(sts.requests[0].body.decode())
        assert (form["RoleArn"], form["RoleSessionName"]) == ([role + "2"], ["named"])

    def test_the_file_is_read_anew_at_each_exchange(self, tmp_path):
        with Stub(lambda _: sts_answer("A", 0)) as sts, AwsCall(env=token_env(tmp_path, sts), refresh=(0, 0)) as client:
            client.key()
            written(tmp_path / "token", "another")
            sts.answer = lambda _: sts_answer("B")
            assert client.key() == "B"
        assert b"WebIdentityToken=another" in sts.requests[-1].body

    def test_refusals_and_odd_answers(self, tmp_path):
        refusal = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>the secret</Message></Error></ErrorResponse>"
        with Stub(lambda _: (400, refusal)) as sts:
            env = token_env(tmp_path, sts)
            assert "status 400 InvalidIdentityToken" in detail_of(env)
            for answer, why in [("", "no Credentials"), (sts_answer("A").replace("SecretAccessKey", "Secret"), "no Secret"),
                                ((503, ""), "status 503"), ((302, "", {"Location": sts.url}), "status 302"),
                                ("<Credentials>" + "x" * 70_000, "longer")]:
                sts.answer = lambda _, answer=answer: answer
                assert why in detail_of(env)

    def test_what_is_missing(self, tmp_path):
        with Stub(lambda _: sts_answer("WEB")) as sts:
            env = token_env(tmp_path, sts)
            assert "AWS_ROLE_ARN is not" in detail_of({**env, "AWS_ROLE_ARN": ""})
            assert "No such file" in detail_of({**env, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "no")})
            assert "empty" in detail_of({**env, "AWS_WEB_IDENTITY_TOKEN_FILE": written(tmp_path / "blank", " \n")})
            assert "no http" in detail_of({**env, "AWS_ENDPOINT_URL_STS": "sts"})
            assert not sts.requests

    def test_no_answer_is_no_reason_to_take_other_credentials(self, home, tmp_path):
        env = {"AWS_WEB_IDENTITY_TOKEN_FILE": written(tmp_path / "token", "token"), "AWS_ROLE_ARN": role,
               "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{harness.free_port()}"}
        with AwsCall("http://127.0.0.1:9", env=env, home=home) as client:
            assert client.credentials()["error"] == "unavailable"
            assert client.call()["fault"] == "away"


class TestContainer:
    def env(self, server, **rest):
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url + "/v1/credentials?a=b", **rest}

    def test_its_endpoint_is_asked_without_a_proxy(self):
        with Stub(lambda _: document("BOX")) as agent, Stub(lambda _: document("PROXY")) as proxy:
            env = self.env(agent, AWS_CONTAINER_AUTHORIZATION_TOKEN="Basic abc=", http_proxy=proxy.url)
            with AwsCall(env=env) as client:
                got = client.credentials()
        assert (got["access_key_id"], got["secret_access_key"], got["session_token"]) == ("BOX", "secret-of-BOX", "token")
        request, = agent.requests
        assert (request.method, request.path) == ("GET", "/v1/credentials?a=b")
        assert request.headers["Authorization"] == "Basic abc=" and not proxy.requests

    def test_without_a_token_none_is_sent(self):
        with Stub(lambda _: document("BOX")) as agent:
            assert key_of(self.env(agent)) == "BOX"
        assert "Authorization" not in agent.requests[0].headers

    def test_a_tokens_file_goes_first_and_is_read_anew(self, tmp_path):
        file = written(tmp_path / "token", "first\n")
        with Stub(lambda _: document("A", 0)) as agent:
            env = self.env(agent, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=file, AWS_CONTAINER_AUTHORIZATION_TOKEN="other")
            with AwsCall(env=env, refresh=(0, 0)) as client:
                client.key()
                written(tmp_path / "token", "second")
                agent.answer = lambda _: document("B")
                assert client.key() == "B"
        assert [request.headers["Authorization"] for request in agent.requests] == ["first", "second"]

    def test_faults(self, tmp_path):
        with Stub(lambda _: (403, "secret")) as agent:
            assert "status 403" in detail_of(self.env(agent))
            agent.answer = lambda _: '{"AccessKeyId": "A"}'
            assert "no SecretAccessKey" in detail_of(self.env(agent))
            agent.answer = lambda _: document("A", -60)
            assert "expired" in detail_of(self.env(agent))
            asked = len(agent.requests)
            file = written(tmp_path / "token", "a\nb")
            assert "line break" in detail_of(self.env(agent, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=file))
            assert "No such file" in detail_of(self.env(agent, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="/no/no"))
            assert len(agent.requests) == asked
        assert "neither https" in detail_of({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/"})

    def test_a_silent_one_is_not_waited_for_long(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            assert "timed out" in detail_of({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url})


class Instance:
    """Instance metadata, version 2: what a GET is answered without the session's token would be a secret let out."""
    path = "/latest/meta-data/iam/security-credentials/"

    def __init__(self, key="BOARD"):
        self.sessions, self.roles, self.document = 0, "worker-role\n", lambda: document(key)

    def __call__(self, request):
        if request.method == "PUT" and request.path == "/latest/api/token":
            if not 1 <= int(request.headers["X-aws-ec2-metadata-token-ttl-seconds"]) <= 21_600:
                return 400, ""
            self.sessions += 1
            return f"session-{self.sessions}=="
        if request.headers["X-aws-ec2-metadata-token"] != f"session-{self.sessions}==":
            return 401, ""
        if request.path == self.path:
            return (200, self.roles) if self.roles is not None else (404, "")
        return self.document() if request.path == self.path + "worker-role" else (404, "")


def instance_env(server, **rest):
    return {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url + "/", **rest}


class TestInstance:
    def test_its_role_is_asked_for_in_a_session_and_without_a_proxy(self):
        with Stub(Instance()) as metadata, Stub(lambda _: "PROXY") as proxy:
            assert key_of(instance_env(metadata, http_proxy=proxy.url)) == "BOARD"
        assert [request.method for request in metadata.requests] == ["PUT", "GET", "GET"] and not proxy.requests
        assert metadata.connections == 1

    def test_it_can_be_switched_off(self):
        with Stub(Instance()) as metadata:
            assert none_found in detail_of(instance_env(metadata, AWS_EC2_METADATA_DISABLED="TRUE"))
        assert not metadata.requests

    def test_no_role_and_no_instance_are_no_credentials(self):
        for roles in [None, ""]:
            instance = Instance()
            instance.roles = roles
            with Stub(instance) as metadata:
                assert none_found in detail_of(instance_env(metadata))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            env = {"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT":
                   f"http://127.0.0.1:{silent.getsockname()[1]}"}
            assert none_found in detail_of(env)

    def test_version_1_and_refusals_are_faults(self):
        with Stub(lambda request: (403, "") if request.method == "PUT" else document("V1")) as metadata:
            assert "no session of version 2, status 403" in detail_of(instance_env(metadata))
        instance = Instance()
        instance.document = lambda: '{"Code": "AssumeRoleUnauthorizedAccess", "Message": "not trusted"}'
        with Stub(instance) as metadata:
            assert "AssumeRoleUnauthorizedAccess: not trusted" in detail_of(instance_env(metadata))


class TestOrder:
    def test_each_source_goes_before_those_behind_it(self, home, tmp_path):
        with Stub(lambda _: sts_answer("WEB")) as sts, Stub(lambda _: document("BOX")) as agent, \
                Stub(Instance()) as metadata:
            parts = [(keys, env_key), (token_env(tmp_path, sts), "WEB"), ({"AWS_PROFILE": "temporary"}, "TEMPORARY"),
                     (TestContainer().env(agent), "BOX"), (instance_env(metadata), "BOARD")]
            for first in range(len(parts)):
                env = {name: value for part, _ in parts[first:] for name, value in part.items()}
                if first > 2:
                    env["AWS_PROFILE"] = "empty"
                assert key_of(env, home=home) == parts[first][1]

    def test_is_that_of_the_sdk_for_python(self, home, tmp_path, monkeypatch):
        """Without the sources that are asked over HTTP."""
        for name in list(os.environ):
            if name.startswith("AWS_"):
                monkeypatch.delenv(name)
        for env in [{}, keys, {"AWS_PROFILE": "temporary"}, {"AWS_PROFILE": "only-config"},
                    {**keys, "AWS_PROFILE": "temporary"}, {"AWS_DEFAULT_PROFILE": "temporary"}]:
            with monkeypatch.context() as patch:
                for name, value in {"HOME": str(home), **nobody, **env}.items():
                    patch.setenv(name, value)
                theirs = botocore.session.Session().get_credentials().get_frozen_credentials()
            with AwsCall(env=env, home=home) as client:
                ours = client.credentials()
            assert (ours["access_key_id"], ours["secret_access_key"], ours["session_token"] or None) == (
                theirs.access_key, theirs.secret_key, theirs.token)


class TestRefresh:
    """Over HTTP, with short lives; the rules are in the C++ tests of CachedCredentials."""

    def container(self, agent, refresh):
        return AwsCall(env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.url}, refresh=refresh)

    def test_before_they_expire(self):
        counts = iter(range(1, 1_000))
        with Stub(lambda _: document(f"KEY{next(counts)}", 8)) as agent, self.container(agent, (7_000, 0)) as client:
            assert client.key() == "KEY1"
            harness.wait_until(lambda: client.key() == "KEY2", timeout=30, what="another key")

    def test_old_ones_serve_while_the_endpoint_is_away_and_until_they_expire(self):
        with Stub(lambda _: document("OLD", 10)) as agent, self.container(agent, (9_900, 0)) as client:
            assert client.key() == "OLD"
            agent.answer = lambda _: (500, "")
            harness.wait_until(lambda: client.key() == "OLD" and len(agent.requests) > 2, timeout=30, what="a refresh")
            harness.wait_until(lambda: "status 500" in client.key(), timeout=30, what="their end")
            agent.answer = lambda _: document("NEW")
            assert client.key() == "NEW"
        assert client.log.count("aws_credentials_not_fetched") == 1 and client.log.count("aws_credentials_found") == 2
        assert "secret" not in client.log

    def test_a_refused_call_makes_the_next_one_fetch(self):
        with Stub(lambda _: document("OLD")) as agent, Stub(lambda _: "{}") as service:
            env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.url}
            with AwsCall(service.url, env=env, refresh=(0, 0)) as client:
                assert client.call() == {"body": "{}"}
                agent.answer = lambda _: document("NEW")
                service.answer = lambda _: (403, '{"__type": "x#ExpiredTokenException"}')
                assert client.call()["fault"] == "denied"
                service.answer = lambda _: "{}"
                assert client.call() == {"body": "{}"}
                assert "Credential=NEW/" in service.requests[-1].headers["Authorization"]
                service.answer = lambda _: (403, '{"__type": "x#AccessDeniedException"}')
                assert client.call()["fault"] == client.call()["fault"] == "denied"
            assert len(agent.requests) == 2, "a right that is missing is no reason to fetch"

    def test_refusals_without_end_do_not_flood_whoever_gives_credentials(self):
        with Stub(lambda _: document("KEY")) as agent, Stub(lambda _: (403, "{}")) as service:
            env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.url}
            with AwsCall(service.url, env=env, refresh=(0, 600_000)) as client:
                for _ in range(20):
                    assert client.call()["fault"] == "denied"
            assert len(agent.requests) == 1


def test_default_endpoints_are_those_of_the_sdk_for_python():
    session = botocore.session.Session()
    compared = 0
    with AwsCall() as client:
        for partition in session.get_available_partitions():
            for service in ["sqs", "sts"]:
                for region in session.get_available_regions(service, partition_name=partition):
                    theirs = session.create_client(service, region_name=region, aws_access_key_id="a",
                                                   aws_secret_access_key="b").meta.endpoint_url
                    assert client.endpoint(service, region) == theirs
                    compared += 1
    assert compared > 50
