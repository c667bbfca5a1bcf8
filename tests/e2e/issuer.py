"""An issuer of tokens on loopback: keys of every kind, a JWK Set that can be changed, slow, broken or away."""
import base64
import http.server
import json
import threading
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import harness

algorithms = {"RS256": "rsa", "RS384": "rsa", "RS512": "rsa", "PS256": "rsa", "PS384": "rsa", "PS512": "rsa",
              "ES256": "p256", "ES384": "p384", "EdDSA": "ed25519"}
makers = {"rsa": lambda: rsa.generate_private_key(65537, 2048), "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
          "p384": lambda: ec.generate_private_key(ec.SECP384R1()), "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
          "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()), "ed25519": ed25519.Ed25519PrivateKey.generate,
          "short rsa": lambda: rsa.generate_private_key(65537, 1024)}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def of_number(number, size=None):
    return base64url(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


class SigningKey:
    """A key pair with a name, and what each side needs of it."""

    def __init__(self, kind, kid=None):
        self.kind, self.kid, self.private = kind, kid, makers[kind]()

    @property
    def algorithm(self):
        return next(name for name, kind in algorithms.items() if kind == self.kind)

    @property
    def pem(self):
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    @property
    def private_pem(self):
        return self.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()).decode()

    def jwk(self, **rest):
        public = self.private.public_key()
        if isinstance(self.private, rsa.RSAPrivateKey):
            numbers = public.public_numbers()
            out = {"kty": "RSA", "n": of_number(numbers.n), "e": of_number(numbers.e)}
        elif isinstance(self.private, ed25519.Ed25519PrivateKey):
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            out = {"kty": "OKP", "crv": "Ed25519", "x": base64url(raw)}
        else:
            numbers, size = public.public_numbers(), (public.key_size + 7) // 8
            curve = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}.get(public.curve.name,
                                                                                             public.curve.name)
            out = {"kty": "EC", "crv": curve, "x": of_number(numbers.x, size), "y": of_number(numbers.y, size)}
        return {**out, **({"kid": self.kid} if self.kid else {}), **rest}

    def mint(self, email=harness.owner, *, algorithm=None, headers=None, **how):
        headers = {**({"kid": self.kid} if self.kid else {}), **(headers or {})}
        return harness.mint(email, key=self.private, algorithm=algorithm or self.algorithm, headers=headers, **how)


class Issuer:
    """Serves `answer`: a JWK Set, bytes, a status, or what a function of the handler does. Counts what was fetched."""

    def __init__(self, *keys):
        self.answer = {"keys": [key.jwk() for key in keys]}
        self.delay = 0.0
        self.paths = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/keys"

    @property
    def fetches(self):
        return len(self.paths)

    def publish(self, *keys):
        self.answer = {"keys": [key.jwk() for key in keys]}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def handler(issuer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.paths.append(self.path)
                time.sleep(issuer.delay)
                answer = issuer.answer
                if callable(answer):
                    return answer(self)
                status = answer if isinstance(answer, int) else 200
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *unused):
                pass

        return Handler


