"""Stands in for AWS on loopback, and calls src/aws through the program aws_call."""
import http.server
import json
import os
import pathlib
import subprocess
import threading
import time

import harness

program = pathlib.Path(harness.binary()).parent / "tests/programs/aws_call"
keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
nobody = {"AWS_EC2_METADATA_DISABLED": "true"}  # elsewhere the last source would be asked, and be waited for


class AwsCall:
    """The program: what it is asked is answered in order. It sees no variables but `env`."""

    def __init__(self, endpoint="http://127.0.0.1:9", *, region="us-east-1", env=None, refresh=None, home="/nonexistent"):
        """`refresh`: milliseconds before their end at which credentials are fetched again, and those without a fetch."""
        command = [program, endpoint, region, "sqs", "AmazonSQS", *[str(number) for number in refresh or ()]]
        inherited = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        env = {"HOME": str(home), **nobody, **(keys if env is None else env)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, encoding="utf-8", env={**inherited, **env})

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.end()

    def end(self):
        """Its log, once it has ended; it must end well."""
        if not hasattr(self, "log"):
            try:
                _, self.log = self.process.communicate(timeout=30)
            finally:
                self.process.kill()
            assert self.process.returncode == 0, self.log
        return self.log

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def call(self, body="{}", action="ListQueues", timeout_ms=20_000):
        return self.ask(do="call", action=action, body=body, timeout_ms=timeout_ms)

    def credentials(self):
        return self.ask(do="credentials")

    def endpoint(self, service, region):
        return self.ask(do="endpoint", service=service, region=region)

    def key(self):
        """The access key's id, or why there is none."""
        got = self.credentials()
        return got.get("access_key_id") or got["detail"]


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body


class Stub:
    """An HTTP server whose every answer `answer(request)` gives: a body, (status, body), (status, body, headers), or None to
    hang up. `requests` has what came, in order; `connections` how many carried it."""

    def __init__(self, answer):
        self.answer, self.requests, self.connections = answer, [], 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.server.shutdown()
        self.server.server_close()

    def handler(stub):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                stub.connections += 1

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.command, self.path, self.headers, body)
                stub.requests.append(request)
                answer = stub.answer(request)
                if answer is None:
                    self.close_connection = True
                    return
                status, text, headers = (*(answer if isinstance(answer, tuple) else (200, answer)), {})[:3]
                text = text.encode() if isinstance(text, str) else text
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = serve

            def log_message(self, *unused):
                pass

        return Handler


def expiration(seconds):
    """A time that many seconds from now, as AWS writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def document(key, seconds=3600, **rest):
    """What containers' endpoints and instances' metadata answer."""
    return json.dumps({"Code": "Success", "AccessKeyId": key, "SecretAccessKey": f"secret-of-{key}",
                       "Token": "token", "Expiration": expiration(seconds), **rest})


def sts_answer(key, seconds=3600):
    """STS's answer to AssumeRoleWithWebIdentity, as its reference shows it."""
    return f"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>system:serviceaccount:default:pebbles</SubjectFromWebIdentityToken>
    <Audience>sts.amazonaws.com</Audience>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/worker/app1</Arn><AssumedRoleId>AROA:app1</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <SessionToken>token&amp;more==</SessionToken>
      <SecretAccessKey>secret-of-{key}</SecretAccessKey>
      <Expiration>{expiration(seconds)}</Expiration>
      <AccessKeyId>{key}</AccessKeyId>
    </Credentials>
    <Provider>arn:aws:iam::123456789012:oidc-provider/example</Provider>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"""
