"""python -m config.devservices.certificate DIRECTORY HOST,HOST: a certificate for whoever has none yet.

It writes fullchain.pem and privkey.pem, unless there is a certificate already. Nobody vouches for it, so browsers warn.
"""

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LASTS = timedelta(days=365)


def ensure_certificate(directory: Path, hosts: list[str]) -> bool:
    """Whether it has made one. The key is there before the certificate, so half a pair is made anew."""
    if (directory / "fullchain.pem").exists():
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(directory / "privkey.pem", secret, 0o600)
    _write(directory / "fullchain.pem", _certificate(key, hosts).public_bytes(Encoding.PEM), 0o644)
    return True


def _certificate(key: ec.EllipticCurvePrivateKey, hosts: list[str]) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pacesetter, vouched for by nobody")])
    now = datetime.now(UTC)
    unsigned = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(minutes=5),
        not_valid_after=now + LASTS,
    )
    unsigned = unsigned.add_extension(x509.SubjectAlternativeName([_named(host) for host in hosts]), critical=False)
    # Its own issuer, so that a client which is given it can check it.
    unsigned = unsigned.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return unsigned.sign(key, SHA256())


def _named(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(host.strip("[]")))
    return x509.DNSName(f"*{host}" if host.startswith(".") else host)  # Django's way to write all names below one


def _write(path: Path, content: bytes, mode: int) -> None:
    unfinished = path.with_suffix(".unfinished")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    unfinished.replace(path)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"Usage: {(__doc__ or '').splitlines()[0]}")
    made = ensure_certificate(Path(sys.argv[1]), [host.strip() for host in sys.argv[2].split(",") if host.strip()])
    sys.stdout.write("A certificate was made; browsers will warn of it.\n" if made else "There is a certificate.\n")
