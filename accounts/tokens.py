"""The one verifier of access tokens, for REST, sockets and event streams.

A token's ``iss`` chooses among the configured issuers, and each issuer has its own keys and algorithms; nothing in
the token's header can choose a weaker check. ``exp``, ``aud``, ``iss`` and ``sub`` are required; ``user_metadata``
decides nothing, because Supabase lets people edit it.
"""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import jwt
import stamina
import structlog
from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import IdentityProvider
from config.core.breaker import CircuitOpen
from config.core.circuit import CircuitState
from config.core.outgoing import answer_to, breaker

log = structlog.get_logger(__name__)

AUDIENCE = "authenticated"
_MAX_TOKEN_LENGTH = 8192
_LEEWAY_SECONDS = 10


class InvalidToken(Exception):
    """The token proves nothing. The reason is for our log, never for the caller."""


@dataclass(frozen=True)
class Claims:
    """What a valid token says: whose it is, until when, and the e-mail and name to start an account with."""

    subject: UUID
    issuer: IdentityProvider
    expires_at: datetime
    email: str | None = None


def verify_token(token: str) -> Claims:
    """Raises InvalidToken unless the token is valid now, from an issuer that is configured here."""
    if len(token) > _MAX_TOKEN_LENGTH:
        raise InvalidToken("too long")
    issuer = _claimed_issuer(token)
    if IdentityProvider.LOCAL in settings.AUTH_PROVIDERS and issuer == settings.SIMPLE_JWT["ISSUER"]:
        return _verify_local(token)
    if IdentityProvider.SUPABASE in settings.AUTH_PROVIDERS and issuer == supabase_issuer():
        return _verify_supabase(token)
    raise InvalidToken("unknown issuer")


def supabase_issuer() -> str:
    return f"{settings.SUPABASE_URL}/auth/v1"


def _claimed_issuer(token: str) -> object:
    try:
        return jwt.decode(token, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise InvalidToken("not a token") from error


def _verify_local(token: str) -> Claims:
    try:
        payload = AccessToken(token).payload  # type: ignore[arg-type]  # checks signature, exp, iss, aud and type
    except TokenError as error:
        raise InvalidToken(str(error)) from error
    return _claims(payload, IdentityProvider.LOCAL)


def _verify_supabase(token: str) -> Claims:
    try:
        key, algorithm = _supabase_key(jwt.get_unverified_header(token))
        payload = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=AUDIENCE,
            issuer=supabase_issuer(),
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "aud", "iss", "sub"]},
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise InvalidToken(str(error)) from error
    if payload.get("role", AUDIENCE) != AUDIENCE:
        raise InvalidToken("not a person's token")
    return _claims(payload, IdentityProvider.SUPABASE)


def _supabase_key(header: dict[str, Any]) -> tuple[Any, str]:
    """The key and the one algorithm that goes with it. The header only names a key among those we hold."""
    if header.get("alg") == "HS256":
        if not settings.SUPABASE_JWT_SECRET:
            raise InvalidToken("no shared secret is configured")
        return settings.SUPABASE_JWT_SECRET, "HS256"
    key = _signing_keys.find(header.get("kid"))
    return key.key, key.algorithm_name


def _claims(payload: dict[str, Any], issuer: IdentityProvider) -> Claims:
    try:
        subject = UUID(str(payload["sub"]))
        expires_at = datetime.fromtimestamp(int(payload["exp"]), UTC)
    except (KeyError, ValueError, OverflowError) as error:
        raise InvalidToken("sub is not a UUID or exp is not a time") from error
    email = payload.get("email")
    usable = isinstance(email, str) and len(email) <= 254 and "@" in email and email.isprintable()
    return Claims(subject, issuer, expires_at, email.lower() if usable and isinstance(email, str) else None)


CIRCUIT = "supabase"


class _SigningKeys:
    """Supabase's public keys. An unknown ``kid`` fetches them again, at most every 30 s, so that forged ids cost
    one request and not one each. A known one does so after ten minutes, so that a withdrawn key ends; while the
    endpoint is down, keys once fetched keep working."""

    REFETCH_SECONDS = 30.0
    REFRESH_SECONDS = 600.0
    TIMEOUT_SECONDS = 3.0
    _ALGORITHMS = {"EC": "ES256", "RSA": "RS256"}

    def __init__(self) -> None:
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = -self.REFETCH_SECONDS
        self._listed: list[dict[str, Any]] = []
        self.version = 0
        self._lock = threading.Lock()

    def find(self, kid: object) -> jwt.PyJWK:
        if not isinstance(kid, str):
            raise InvalidToken("the header names no key")
        known = kid in self._keys
        if self._is_due(known) and self._lock.acquire(blocking=not known):  # with a known key nobody has to wait
            try:
                if self._is_due(kid in self._keys):
                    self._fetch()
                    self._fetched_at = time.monotonic()  # not before: who comes meanwhile must wait for the keys
            finally:
                self._lock.release()
        try:
            return self._keys[kid]
        except KeyError:
            raise InvalidToken("unknown key") from None

    def _is_due(self, known: bool) -> bool:
        age = time.monotonic() - self._fetched_at
        return age >= (self.REFRESH_SECONDS if known else self.REFETCH_SECONDS)

    def _fetch(self) -> None:
        try:
            with breaker(CIRCUIT).call(httpx.HTTPError):
                answer = self._answered()
            listed = [entry for entry in answer.json()["keys"] if isinstance(entry, dict)]
        except (CircuitOpen, httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            log.warning("signing_keys_not_fetched", error=type(error).__name__)
            return
        keys = {}
        for entry in listed:
            algorithm = self._ALGORITHMS.get(str(entry.get("kty")))
            if algorithm and entry.get("kid") and entry.get("alg", algorithm) == algorithm:
                try:
                    keys[entry["kid"]] = jwt.PyJWK(entry, algorithm=algorithm)
                except jwt.PyJWTError as error:
                    log.warning("signing_key_unusable", error=type(error).__name__)
        if keys:
            self.version += listed != self._listed
            self._keys, self._listed = keys, listed

    @stamina.retry(on=(httpx.NetworkError, httpx.RemoteProtocolError), attempts=2, wait_initial=0.1, wait_max=0.5)
    def _answered(self) -> httpx.Response:
        """Reading changes nothing there, so a broken connection is tried again. Raises httpx.HTTPError."""
        url = f"{supabase_issuer()}/.well-known/jwks.json"
        request = httpx.Request("GET", url, headers={"apikey": settings.SUPABASE_ANON_KEY})
        return answer_to(request, timeout_seconds=self.TIMEOUT_SECONDS).raise_for_status()

    def forget(self) -> None:
        """Start over, as a new process would; what was verified with the old keys is to be verified again."""
        version = self.version
        self.__init__()  # type: ignore[misc]  # of this very class: nobody is to inherit it
        self.version = version + 1


_signing_keys = _SigningKeys()


def signing_keys_version() -> int:
    """Grows when a key is withdrawn or added: what was verified before has to be verified again."""
    return _signing_keys.version


def circuits() -> dict[str, CircuitState]:
    return {CIRCUIT: breaker(CIRCUIT).state()} if IdentityProvider.SUPABASE in settings.AUTH_PROVIDERS else {}


def forget_signing_keys() -> None:
    _signing_keys.forget()
