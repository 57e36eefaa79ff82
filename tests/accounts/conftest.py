"""A Supabase project on this machine: signing keys of its own, and an endpoint that lists the public ones."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pytest_django.fixtures import Settings

from accounts import tokens

SHARED_SECRET = "the-shared-secret-of-a-supabase-project"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def listed(kid: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> dict[str, Any]:
    """The entry of a public key in ``/.well-known/jwks.json``."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        entry, algorithm = ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "ES256"
    else:
        entry, algorithm = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "RS256"
    return {**entry, "kid": kid, "alg": algorithm, "use": "sig", "key_ops": ["verify"]}


class Project:
    """What the key endpoint answers, how often it was asked, and tokens as the project signs them."""

    def __init__(self) -> None:
        self.answer: Any = {"keys": [listed("elliptic", EC_KEY), listed("rivest", RSA_KEY)]}
        self.down = False
        self.asked: list[dict[str, str]] = []
        self.url = ""

    @property
    def issuer(self) -> str:
        return f"{self.url}/auth/v1"

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Of a person's token; a claim changed to ``...`` is left out."""
        now = datetime.now(UTC)
        usual = {
            "sub": str(uuid4()),
            "aud": "authenticated",
            "iss": self.issuer,
            "iat": now,
            "exp": now + timedelta(hours=1),
            "role": "authenticated",
            "email": "walker@example.org",
        }
        return {name: value for name, value in (usual | changes).items() if value is not ...}

    def token(self, **changes: Any) -> str:
        return jwt.encode(self.claims(**changes), EC_KEY, "ES256", headers={"kid": "elliptic"})

    def token_by_rsa(self, **changes: Any) -> str:
        return jwt.encode(self.claims(**changes), RSA_KEY, "RS256", headers={"kid": "rivest"})

    def token_by_secret(self, secret: str = SHARED_SECRET, **changes: Any) -> str:
        return jwt.encode(self.claims(**changes), secret, "HS256")


@pytest.fixture
def supabase(settings: Settings) -> Iterator[Project]:
    """Both kinds of accounts are configured; this process has fetched no key yet."""
    project = Project()

    class KeyEndpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            project.asked.append({"path": self.path, "apikey": self.headers.get("apikey", "")})
            body = json.dumps(project.answer).encode()
            self.send_response(503 if project.down else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), KeyEndpoint) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        project.url = f"http://127.0.0.1:{server.server_port}"
        settings.AUTH_PROVIDERS = ("local", "supabase")
        settings.SUPABASE_URL = project.url
        settings.SUPABASE_ANON_KEY = "the-anon-key"
        settings.SUPABASE_JWT_SECRET = SHARED_SECRET
        tokens.forget_signing_keys()
        yield project
        server.shutdown()
        thread.join()
    tokens.forget_signing_keys()
