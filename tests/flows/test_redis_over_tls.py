"""A Redis that is reached as managed ones are: over TLS, by `rediss://`, with a certificate that is checked."""

import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.flows.conftest import database_at_hand
from tests.flows.servers import Server

pytestmark = pytest.mark.slow


def make_certificate(folder: Path) -> Path:
    """Its own authority, good for 127.0.0.1; the key stands behind it in the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "redis.pem"
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + pem)
    return path


class Wrapped:
    """TLS in front of the Valkey of the tests, which speaks none."""

    def __init__(self, certificate: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        parts = urlsplit(os.environ["REDIS_URL"])
        self._path, self._database = parts.path, parse_qs(parts.query)["db"][0]
        self.served = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(plain,), daemon=True).start()

    def _carry(self, plain: socket.socket) -> None:
        with suppress(OSError), self._context.wrap_socket(plain, server_side=True) as outside:
            self.served += 1
            inside = socket.socket(socket.AF_UNIX)
            inside.connect(self._path)
            threading.Thread(target=_pump, args=(inside, outside), daemon=True).start()
            _pump(outside, inside)

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}/{self._database}"

    def close(self) -> None:
        self._listening.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


@pytest.fixture
def redis(certificate: Path) -> Iterator[Wrapped]:
    wrapped = Wrapped(certificate)
    yield wrapped
    wrapped.close()


@contextmanager
def serving(redis_url: str, log: Path) -> Iterator[Server]:
    server = Server({"DATABASE_URL": database_at_hand(), "REDIS_URL": redis_url}, log=log)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


def test_boards_sessions_and_news_go_over_it(
    transactional_db: None, redis: Wrapped, certificate: Path, tmp_path: Path
) -> None:
    url = f"{redis.url}?ssl_ca_certs={certificate}"
    with serving(url, tmp_path / "here.log") as here, serving(url, tmp_path / "there.log") as there:
        assert httpx.get(f"{here.address}/health/ready").json()["components"]["redis"] == "healthy"
        ada = here.new_person("Ada")
        board = ada.new_competition()
        ada.join(board)
        with ada.at(there).watching(board) as watch:
            watch.message()
            ada.sync(4200)
            assert watch.ranks_when(4200) == [(ada.user_id, 4200, 1)]
        assert redis.served > 2, "commands and news of both"


def test_a_certificate_that_nobody_vouches_for_is_refused(
    transactional_db: None, redis: Wrapped, tmp_path: Path
) -> None:
    """The server is degraded then, as without any Redis, and still right."""
    with serving(redis.url, tmp_path / "server.log") as server:
        assert httpx.get(f"{server.address}/health/ready").json()["status"] == "degraded"
        ada = server.new_person("Ada")
        board = ada.new_competition()
        ada.join(board)
        ada.sync(4200)
        assert ada.ranks(board) == [(ada.user_id, 4200, 1)]
        assert redis.served == 0
