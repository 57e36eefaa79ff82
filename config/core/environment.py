"""The one typed reader of the environment: every setting of a deployment, its type, default and meaning.

`.env.example` is printed from this class (``python -m config.core.environment``), so it cannot go stale.
"""

import base64
import json
import math
import os
import re
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

from config.core.money import CURRENCIES

Network = IPv4Network | IPv6Network

DEVELOPMENT_SECRET = "development-only-secret-do-not-use-it-where-anyone-else-can-reach"  # noqa: S105 - refused without DEBUG


_SERVICE_ACCOUNT = {"project_id", "client_email", "private_key", "token_uri"}


class SettingError(Exception):
    """A setting is missing or unusable; the text is one sentence for the operator."""


@dataclass(frozen=True)
class Rate:
    """A token bucket: ``per_second`` tokens are added each second, up to ``burst``; 0 per second: no limit."""

    per_second: float
    burst: int

    def __str__(self) -> str:
        return f"{self.per_second:g}/{self.burst}" if self.per_second else "0"


@dataclass(frozen=True)
class Amounts:
    """Amounts of money by currency, and under ``*`` that of every other one."""

    by_currency: Mapping[str, Decimal]

    def __str__(self) -> str:
        return ",".join(
            f"{value:f}" if name == "*" else f"{name}={value:f}" for name, value in self.by_currency.items()
        )


class Seed(bytes):
    """A key's 32 secret bytes, or none."""

    def __str__(self) -> str:
        return base64.b64encode(self).decode()


class PublicKey(bytes):
    """An ECDSA key on the curve P-256, in DER, or none."""

    def __str__(self) -> str:
        return base64.b64encode(self).decode()


class ServiceAccount(str):
    """The JSON of a service account's key, or none."""


class Keys(tuple[str, ...]):
    """Secret keys of cryptography's Fernet, the one to encrypt with first."""


def means(text: str) -> dict[str, str]:
    return {"meaning": text}


@dataclass(frozen=True)
class Environment:
    DEBUG: bool = field(
        default=False,
        metadata=means("Development mode: embedded engines, demo log-ins, stack traces. Never on a public server."),
    )
    SECRET_KEY: str = field(
        default=DEVELOPMENT_SECRET, metadata=means("Signs sessions and links; 50 random characters or more.")
    )
    JWT_SECRET: str = field(
        default="", metadata=means("Signs this server's own access tokens; 32 random characters or more.")
    )
    PORT: int = field(default=8080, metadata=means("Port the server listens on."))
    HOST: str = field(default="127.0.0.1", metadata=means("Address the server listens on; 0.0.0.0 inside a container."))
    PUBLIC_URL: str = field(
        default="",
        metadata=means(
            "Where people reach this server, such as https://steps.example.org; empty: as the request says."
        ),
    )
    DATA_DIR: str = field(default=".data", metadata=means("Folder of the embedded engines and of uploaded files."))
    DATABASE_URL: str = field(
        default="",
        metadata=means(
            "postgresql://user:password@host:5432/name; empty only with DEBUG, then the embedded PostgreSQL."
        ),
    )
    DATABASE_POOL_SIZE: int = field(default=25, metadata=means("PostgreSQL connections of one process, at most."))
    REDIS_URL: str = field(
        default="",
        metadata=means("redis://host:6379/0 or rediss:// for TLS; empty only with DEBUG, then the embedded Valkey."),
    )
    REDIS_POOL_SIZE: int = field(default=10, metadata=means("Redis connections of one process for commands, at most."))
    ALLOWED_HOSTS: tuple[str, ...] = field(
        default=(), metadata=means("Host names that this server answers to; with DEBUG also localhost.")
    )
    CORS_ALLOWED_ORIGINS: tuple[str, ...] = field(
        default=(),
        metadata=means("Origins of web clients elsewhere, such as https://app.example.org; no wildcard."),
    )
    PROXY_COUNT: int = field(
        default=0,
        metadata=means("Proxies in front that append to X-Forwarded-For; 0: the connection's own address counts."),
    )
    OPERATIONS_NETWORKS: tuple[Network, ...] = field(
        default=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
        metadata=means("Networks that may read /metrics and /health/detailed without a key."),
    )
    RATE_LIMIT: Rate = field(
        default=Rate(100, 200),
        metadata=means("Requests per person, else per address: per-second/burst; 0 switches every limit off."),
    )
    SOCKETS_PER_USER: int = field(
        default=20, metadata=means("Sockets, streams and long polls of one person at one server, at most.")
    )
    SOCKETS_PER_ADDRESS: int = field(
        default=2000, metadata=means("The same of one address, behind which a whole office may be.")
    )
    LOG_LEVEL: str = field(default="INFO", metadata=means("DEBUG, INFO, WARNING or ERROR."))
    AUTH_PROVIDERS: tuple[str, ...] = field(
        default=(),
        metadata=means("local, supabase or both; empty: supabase when SUPABASE_URL is set, else local."),
    )
    SUPABASE_URL: str = field(default="", metadata=means("https://<project>.supabase.co; its tokens are accepted."))
    SUPABASE_ANON_KEY: str = field(
        default="", metadata=means("The project's public key, sent along when its signing keys are fetched.")
    )
    SUPABASE_JWT_SECRET: str = field(
        default="",
        metadata=means("The project's legacy HS256 secret; empty when it signs with ES256 or RS256."),
    )
    COMPETITIONS_BY_STAFF_ONLY: bool = field(
        default=False, metadata=means("Only people with the permission may create competitions.")
    )
    PAYMENT_GATEWAY: str = field(
        default="",
        metadata=means("sandbox, manual or stripe; empty: sandbox with DEBUG, which it needs, else manual."),
    )
    STRIPE_SECRET_KEY: str = field(
        default="", metadata=means("Secret key of the Stripe account that prizes leave from.")
    )
    STRIPE_WEBHOOK_SECRETS: tuple[str, ...] = field(
        default=(),
        metadata=means("Signing secrets of Stripe's webhooks to /webhooks/stripe; two while one replaces the other."),
    )
    APPROVAL_OVER: Amounts = field(
        default=Amounts({"*": Decimal(1000)}),
        metadata=means("Prizes of a competition above this need a second treasurer: 1000, or 1000,JPY=150000."),
    )
    PAYOUT_CAP: Amounts = field(
        default=Amounts({"*": Decimal(100000)}),
        metadata=means("Prizes of a competition above this are refused: 100000, or 100000,JPY=15000000."),
    )
    STATEMENT_KEY: Seed = field(
        default=Seed(),
        metadata=means("Ed25519 seed that signs prize statements: 32 random bytes in base64; empty: none are given."),
    )
    GOOGLE_HEALTH_CLIENT_ID: str = field(
        default="", metadata=means("OAuth client of the Google Health API; empty: nobody can connect it.")
    )
    GOOGLE_HEALTH_CLIENT_SECRET: str = field(default="", metadata=means("Secret of that client."))
    GOOGLE_HEALTH_WEBHOOK_SECRETS: tuple[str, ...] = field(
        default=(),
        metadata=means(
            "Authorization headers of Google Health's webhooks, such as Bearer and 40 random characters;"
            " two while one replaces the other."
        ),
    )
    GOOGLE_FIT_CLIENT_ID: str = field(
        default="", metadata=means("OAuth client of Google Fit, for those who still have one.")
    )
    GOOGLE_FIT_CLIENT_SECRET: str = field(default="", metadata=means("Secret of that client."))
    TOKEN_KEYS: Keys = field(
        default=Keys(),
        metadata=means(
            "Keys that encrypt the tokens of connected clouds, 32 random bytes in base64 each; the first encrypts,"
            " all decrypt."
        ),
    )
    CLOUD_POLL_MINUTES: int = field(
        default=30, metadata=means("After so long without news a connected cloud is asked anyway.")
    )
    BREAKER_FAILURES: int = field(
        default=5, metadata=means("After so many failures in a row whatever we call elsewhere is left alone.")
    )
    BREAKER_SECONDS: int = field(default=30, metadata=means("How long it is left alone."))
    MAIL_FROM: str = field(default="", metadata=means("Sender of e-mails, such as Pacesetter <steps@example.org>."))
    SENDGRID_API_KEY: str = field(
        default="",
        metadata=means(
            "Key of SendGrid with the permission to send mail; empty: mail is written to the console with DEBUG,"
            " else to files under DATA_DIR/mail."
        ),
    )
    SENDGRID_WEBHOOK_KEY: PublicKey = field(
        default=PublicKey(),
        metadata=means("Verification key of SendGrid's signed event webhook to /webhooks/messages/sendgrid."),
    )
    FCM_SERVICE_ACCOUNT: ServiceAccount = field(
        default=ServiceAccount(),
        metadata=means(
            "Service account that may send push messages by Firebase Cloud Messaging: its JSON file, or the JSON;"
            " empty: the log says what would be pushed."
        ),
    )
    TWILIO_ACCOUNT_SID: str = field(
        default="", metadata=means("Account of Twilio that sends texts; empty: the log says what would be sent.")
    )
    TWILIO_AUTH_TOKEN: str = field(
        default="", metadata=means("Token of that account; it also signs webhooks to /webhooks/messages/twilio.")
    )
    TWILIO_FROM: str = field(
        default="",
        metadata=means("Number that texts come from, such as +15551234567, or the MG sid of a Messaging Service."),
    )
    OWNER_ONLY_SOURCES: tuple[str, ...] = field(
        default=("strava",),
        metadata=means("Apps and channels whose data may only be shown to its owner, so it counts on no board."),
    )
    S3_BUCKET: str = field(
        default="", metadata=means("Bucket of people's pictures; empty: they lie in DATA_DIR and are served from here.")
    )
    S3_PRIVATE_BUCKET: str = field(
        default="",
        metadata=means(
            "Bucket of what is one person's alone, under private/; the same one only if nothing but avatars/ is public."
        ),
    )
    S3_ENDPOINT_URL: str = field(
        default="", metadata=means("Where S3 is spoken when that is not AWS, such as https://minio.example.org.")
    )
    S3_REGION: str = field(default="", metadata=means("Region of the buckets, such as eu-central-1."))
    S3_ACCESS_KEY_ID: str = field(
        default="", metadata=means("Access key of the buckets; empty: the role of the machine.")
    )
    S3_SECRET_ACCESS_KEY: str = field(default="", metadata=means("Secret of that key."))
    S3_PUBLIC_URL: str = field(
        default="",
        metadata=means(
            "Where everybody reads the first bucket, such as https://cdn.example.org; empty: at its own address."
        ),
    )
    MAX_BODY_BYTES: int = field(
        default=8 * 1024 * 1024,
        metadata=means("Largest request body in bytes; file uploads have limits of their own."),
    )
    MAX_IMPORT_BYTES: int = field(
        default=1024**3,
        metadata=means("Largest file that a person may import, in bytes; the disk must hold a few of them."),
    )

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Environment":
        """Settings from ``environ``. Raises SettingError naming the first unusable or missing one."""
        values: dict[str, Any] = {}
        types = typing.get_type_hints(cls)
        for known in fields(cls):
            text = environ.get(known.name, "").strip()
            if not text:
                continue
            try:
                values[known.name] = _PARSERS[types[known.name]][1](text)
            except ValueError as error:
                shown = "" if types[known.name] in (Seed, Keys, PublicKey, ServiceAccount) else f" ({text!r})"
                raise SettingError(f"{known.name} cannot be read{shown}: {error}.") from None
        if "LOG_LEVEL" in values:
            values["LOG_LEVEL"] = values["LOG_LEVEL"].upper()  # earlier services wrote it small
        environment = cls(**values)
        environment._refuse_the_unsafe()
        return environment

    def _refuse_the_unsafe(self) -> None:
        for name, least in (
            ("PORT", 1),
            ("DATABASE_POOL_SIZE", 1),
            ("REDIS_POOL_SIZE", 1),
            ("SOCKETS_PER_USER", 1),
            ("SOCKETS_PER_ADDRESS", 1),
            ("PROXY_COUNT", 0),
            ("MAX_BODY_BYTES", 1),
            ("CLOUD_POLL_MINUTES", 1),
            ("BREAKER_FAILURES", 1),
            ("BREAKER_SECONDS", 1),
            ("MAX_IMPORT_BYTES", 1),
        ):
            if getattr(self, name) < least:
                raise SettingError(f"{name} must be {least} or more.")
        if self.PORT > 65535:
            raise SettingError("PORT must be 65535 or less.")
        if self.LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise SettingError(f"LOG_LEVEL knows DEBUG, INFO, WARNING and ERROR, not {self.LOG_LEVEL!r}.")
        if self.DATABASE_URL and not _is_postgresql(self.DATABASE_URL):
            raise SettingError("DATABASE_URL must look like postgresql://user:password@host:5432/name.")
        for name in self.auth_providers:
            if name not in ("local", "supabase"):
                raise SettingError(f"AUTH_PROVIDERS knows local and supabase, not {name!r}.")
        if "supabase" in self.auth_providers and not self.SUPABASE_URL:
            raise SettingError("AUTH_PROVIDERS names supabase, so SUPABASE_URL must be set.")
        if "*" in self.CORS_ALLOWED_ORIGINS:
            raise SettingError(
                "CORS_ALLOWED_ORIGINS is a list of origins; * would let every web page act for its visitors."
            )
        self._refuse_unready_gateway()
        self._refuse_unready_clouds()
        self._refuse_unready_buckets()
        self._refuse_unready_channels()
        if self.DEBUG:
            if self.HOST not in ("127.0.0.1", "::1", "localhost"):
                raise SettingError(
                    "HOST must be a loopback address while DEBUG is on; stack traces are for nobody else."
                )
            return
        for name in ("DATABASE_URL", "REDIS_URL"):
            if not getattr(self, name):
                raise SettingError(f"{name} must be set (only with DEBUG=true an embedded engine takes its place).")
        if self.SECRET_KEY == DEVELOPMENT_SECRET or len(self.SECRET_KEY) < 50:
            raise SettingError("SECRET_KEY must be set to 50 random characters or more.")
        if "local" in self.auth_providers and (len(self.JWT_SECRET) < 32 or self.JWT_SECRET == DEVELOPMENT_SECRET):
            raise SettingError("JWT_SECRET must be set to 32 random characters or more.")

    def _refuse_unready_gateway(self) -> None:
        if self.payment_gateway not in ("sandbox", "manual", "stripe"):
            raise SettingError(f"PAYMENT_GATEWAY knows sandbox, manual and stripe, not {self.PAYMENT_GATEWAY!r}.")
        if self.payment_gateway == "sandbox" and not self.DEBUG:
            raise SettingError("PAYMENT_GATEWAY=sandbox only pretends to pay, so it needs DEBUG=true.")
        if self.payment_gateway == "stripe":
            for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS", "PUBLIC_URL"):
                if not getattr(self, name):
                    raise SettingError(f"{name} must be set for PAYMENT_GATEWAY=stripe.")

    def _refuse_unready_clouds(self) -> None:
        for cloud in ("GOOGLE_HEALTH", "GOOGLE_FIT"):
            if not getattr(self, f"{cloud}_CLIENT_ID"):
                continue
            if not getattr(self, f"{cloud}_CLIENT_SECRET"):
                raise SettingError(f"{cloud}_CLIENT_SECRET must be set, as {cloud}_CLIENT_ID is.")
            for name, value in (("TOKEN_KEYS", self.token_keys), ("PUBLIC_URL", self.PUBLIC_URL)):
                if not value:
                    raise SettingError(f"{name} must be set, as {cloud}_CLIENT_ID is.")

    def _refuse_unready_buckets(self) -> None:
        if self.S3_BUCKET and not self.S3_PRIVATE_BUCKET:
            raise SettingError("S3_PRIVATE_BUCKET must be set, as S3_BUCKET is.")
        if bool(self.S3_ACCESS_KEY_ID) != bool(self.S3_SECRET_ACCESS_KEY):
            raise SettingError("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are set together, or neither of them is.")
        for name in ("S3_ENDPOINT_URL", "S3_PUBLIC_URL"):
            if getattr(self, name) and not _is_web_address(getattr(self, name)):
                raise SettingError(f"{name} must look like https://files.example.org.")

    def _refuse_unready_channels(self) -> None:
        needs = {
            "SENDGRID_API_KEY": ("MAIL_FROM",),
            "TWILIO_ACCOUNT_SID": ("TWILIO_AUTH_TOKEN", "TWILIO_FROM", "PUBLIC_URL"),
        }
        for key, others in needs.items():
            for name in others if getattr(self, key) else ():
                if not getattr(self, name):
                    raise SettingError(f"{name} must be set, as {key} is.")

    @property
    def payment_gateway(self) -> str:
        return self.PAYMENT_GATEWAY or ("sandbox" if self.DEBUG else "manual")

    @property
    def statement_key(self) -> bytes:
        return self.STATEMENT_KEY or (sha256(DEVELOPMENT_SECRET.encode()).digest() if self.DEBUG else b"")

    @property
    def token_keys(self) -> tuple[str, ...]:
        development = base64.urlsafe_b64encode(sha256(DEVELOPMENT_SECRET.encode()).digest()).decode()
        return self.TOKEN_KEYS or ((development,) if self.DEBUG else ())

    @property
    def auth_providers(self) -> tuple[str, ...]:
        return self.AUTH_PROVIDERS or (("supabase",) if self.SUPABASE_URL else ("local",))

    @property
    def jwt_secret(self) -> str:
        return self.JWT_SECRET or DEVELOPMENT_SECRET


def _is_postgresql(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("postgresql", "postgres") and (parts.port is None or parts.port > 0)
    except ValueError:  # the port is no number
        return False


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        return False


def _boolean(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("write true or false")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(word) for word in _words(text))


def _rate(text: str) -> Rate:
    if text == "0":
        return Rate(0, 0)
    per_second, separator, burst = text.partition("/")
    if not separator or not 0 < float(per_second) < math.inf or int(burst) < 1:  # NaN is in no range
        raise ValueError("write per-second/burst, such as 100/200, or 0 for no limit")
    return Rate(float(per_second), int(burst))


def _amounts(text: str) -> Amounts:
    amounts: dict[str, Decimal] = {}
    for word in _words(text):
        currency, equals, amount = word.rpartition("=")
        if equals and currency not in CURRENCIES:
            raise ValueError(f"{currency!r} is no currency of ISO 4217")
        if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,3})?", amount):
            raise ValueError("write an amount, such as 1000, or also one by currency, such as 1000,JPY=150000")
        if (currency or "*") in amounts:
            raise ValueError(f"it says {currency or 'the amount of every other currency'} twice")
        amounts[currency or "*"] = Decimal(amount)
    if "*" not in amounts:
        raise ValueError("begin with an amount for every other currency, such as 1000,JPY=150000")
    return Amounts(amounts)


def _seed(text: str) -> Seed:
    seed = Seed(base64.b64decode(text, validate=True))
    if len(seed) != 32:
        raise ValueError("write 32 bytes in base64, such as `openssl rand -base64 32` prints")
    return seed


def _public_key(text: str) -> PublicKey:
    try:
        der = base64.b64decode(text, validate=True)
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("write the key as SendGrid shows it, which begins with MFkwEwYH")
    return PublicKey(der)


def _service_account(text: str) -> ServiceAccount:
    try:
        account = text if text.startswith("{") else Path(text).read_text(encoding="utf-8")
    except OSError:
        raise ValueError("there is no file that can be read under this name") from None
    if not _is_service_account(account):
        raise ValueError("it is no JSON key of a service account, as the Google Cloud console makes them")
    return ServiceAccount(account)


def _is_service_account(text: str) -> bool:
    try:
        fields = json.loads(text)
        key = load_pem_private_key(fields["private_key"].encode(), password=None)
    except (ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm):
        return False
    return isinstance(key, RSAPrivateKey) and fields.keys() >= _SERVICE_ACCOUNT


def _keys(text: str) -> Keys:
    words = _words(text)
    if not words or any(len(_url_safe(word)) != 32 for word in words):
        raise ValueError("write 32 bytes in base64 each, such as `openssl rand -base64 32` prints")
    return Keys(words)


def _url_safe(word: str) -> bytes:
    try:
        return base64.b64decode(word, altchars=b"-_", validate=True)
    except ValueError:
        return b""


_PARSERS: dict[object, tuple[str, Callable[[str], object]]] = {
    str: ("text", str),
    int: ("whole number", int),
    bool: ("true or false", _boolean),
    tuple[str, ...]: ("comma-separated list", _words),
    tuple[Network, ...]: ("comma-separated networks", _networks),
    Rate: ("per-second/burst", _rate),
    Amounts: ("amounts", _amounts),
    Seed: ("base64", _seed),
    PublicKey: ("base64", _public_key),
    ServiceAccount: ("path or JSON", _service_account),
    Keys: ("comma-separated base64", _keys),
}


def example() -> str:
    """The text of `.env.example`."""
    types = typing.get_type_hints(Environment)
    lines = [
        "# Every setting, with its type, its default and its meaning. Printed by",
        "# python -m config.core.environment",
    ]
    for known in fields(Environment):
        assert known.default is not MISSING
        shown = "" if known.default == DEVELOPMENT_SECRET else _shown(known.default)
        lines += [
            "",
            f"# {known.metadata['meaning']} ({_PARSERS[types[known.name]][0]})",
            f"{known.name}={shown}",
        ]
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return str(value)


def read() -> Environment:
    """The settings of this process; a wrong one ends it with its sentence instead of a stack trace."""
    try:
        return Environment.read(os.environ)
    except SettingError as error:
        sys.exit(f"Pacesetter cannot start: {error}")


if __name__ == "__main__":
    sys.stdout.write(example())
