"""Connecting a cloud and letting go of it. Whoever comes back from a cloud has no token of ours, only the state that
they were sent away with, so that is what proves who they are."""

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.services.people import lock_people
from config.core.errors import Conflict, Invalid, NotFound, Unavailable
from config.core.jobs import enqueue_once
from fitness.clouds import KNOWN, access_provider, provider
from fitness.clouds.base import (
    CloudBusy,
    CloudError,
    CloudUnavailable,
    ConnectionState,
    ConsentNeeded,
    Grant,
    Notification,
    Provider,
)
from fitness.clouds.vault import Unreadable, seal, unseal
from fitness.models import Connection, PendingAuthorisation

log = structlog.get_logger(__name__)

CALLBACK = "/api/v1/fitness/connections/callback"
CONSENT_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True)
class Return:
    """Somebody who came back from a cloud: how people call it, and whose account here it is connected to; None: it is
    not."""

    title: str
    connected_to: str | None


def open_connection(*, user_id: UUID, provider_name: str, now: datetime) -> str:
    """The address where the person consents; good once, for ten minutes, and only the latest one. Raises NotFound and
    Conflict for a cloud that cannot be connected here."""
    cloud = access_provider(provider_name)
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    PendingAuthorisation.objects.update_or_create(
        user_id=user_id,
        provider=provider_name,
        defaults={"state_hash": _hash(state), "verifier": seal(verifier), "expires_at": now + CONSENT_WITHIN},
    )
    return cloud.authorize_url(state=state, challenge=_challenge(verifier), redirect_uri=_redirect_uri())


def finish_connection(*, state: str, code: str, error: str, now: datetime) -> Return:
    """Never inside a transaction: the cloud is asked. Raises Invalid, Conflict and Unavailable with what to do next."""
    pending = _take_pending(state, now)
    cloud = access_provider(pending.provider)
    if error or not code:
        return Return(cloud.title, None)
    try:
        grant = cloud.exchange(code=code, verifier=unseal(pending.verifier), redirect_uri=_redirect_uri(), now=now)
        account = cloud.account_of(grant.access)
    except (CloudUnavailable, CloudBusy) as failure:
        raise Unavailable(f"{failure} Start again in the app.") from None
    except ConsentNeeded as refusal:
        raise Invalid(str(refusal)) from None
    except CloudError as failure:
        raise Conflict(f"{failure} Nothing was connected.") from None
    return Return(cloud.title, _store(pending.user_id, cloud, grant, account, now))


@transaction.atomic
def close_connection(*, user_id: UUID, provider_name: str) -> None:
    """What was fetched stays: it is the person's activity. Raises NotFound."""
    if provider_name not in KNOWN:
        raise NotFound("There is no such cloud to connect.")
    connection = (
        Connection.objects.select_for_update()
        .filter(user_id=user_id, provider=provider_name)
        .exclude(state=ConnectionState.DISCONNECTED)
        .first()
    )
    if connection is None:
        raise NotFound("This cloud is not connected.")
    _revoke_later([connection])
    connection.state, connection.tokens, connection.account = ConnectionState.DISCONNECTED, "", ""
    connection.expires_at = connection.claimed_until = connection.waits_until = None
    connection.last_error, connection.failures = "", 0
    connection.save()


@transaction.atomic
def forget_connections(*, user_id: UUID) -> None:
    """Of a person who is erased."""
    PendingAuthorisation.objects.filter(user_id=user_id).delete()
    mine = Connection.objects.filter(user_id=user_id)
    _revoke_later(mine.select_for_update())
    mine.delete()


def revoke_grant(*, provider_name: str, sealed: str) -> None:
    """Takes the permission back at the cloud, as well as it goes. It never fails: the job would stay, and the tokens
    with it."""
    try:
        provider(provider_name).revoke(opened(sealed).refresh)
    except (CloudError, Unreadable) as error:
        log.warning("cloud_keeps_permission", provider=provider_name, reason=str(error))


@transaction.atomic
def note_news(*, provider_name: str, notifications: Iterable[Notification], now: datetime) -> None:
    """Has fetched what a cloud says is new. Accounts that nobody here has connected are passed over: the cloud may be
    late to learn that they are gone."""
    known = Connection.objects.filter(
        provider=provider_name, account__in=[one.account for one in notifications], state__in=FETCHED_STATES
    ).order_by("id")
    ids = list(known.select_for_update().values_list("id", flat=True))
    Connection.objects.filter(id__in=ids).update(last_notified_at=now)
    for connection_id in ids:
        enqueue_fetch(connection_id)


def forget_stale_authorisations(*, now: datetime) -> None:
    PendingAuthorisation.objects.filter(expires_at__lte=now).delete()


FETCHED_STATES = (ConnectionState.CONNECTED, ConnectionState.FAILING)


def enqueue_fetch(connection_id: int) -> None:
    """In the transaction at hand; once, however often it is asked for before the fetch begins."""
    from fitness.tasks import fetch_one_connection  # tasks call services

    job = fetch_one_connection.configure(queueing_lock=f"fetch_connection:{connection_id}")
    enqueue_once(job.defer, connection_id=connection_id)


def sealed_tokens(grant: Grant) -> str:
    return seal(json.dumps({"access": grant.access, "refresh": grant.refresh}))


@dataclass(frozen=True, repr=False)
class Tokens:
    access: str
    refresh: str


def opened(sealed: str) -> Tokens:
    """Raises vault.Unreadable."""
    return Tokens(**json.loads(unseal(sealed)))


@transaction.atomic
def _take_pending(state: str, now: datetime) -> PendingAuthorisation:
    """Each works once, whatever comes of it. Raises Invalid."""
    pending = PendingAuthorisation.objects.select_for_update().filter(state_hash=_hash(state)).first()
    if pending is not None:
        pending.delete()
    if pending is None or pending.expires_at <= now:
        raise Invalid("This link has been used or has expired; start again in the app.")
    return pending


def _store(user_id: UUID, cloud: Provider, grant: Grant, account: str, now: datetime) -> str:
    """The person's name. Raises Invalid, Conflict."""
    values = {
        "account": account,
        "state": ConnectionState.CONNECTED,
        "tokens": sealed_tokens(grant),
        "expires_at": grant.expires_at,
        "connected_at": now,
        "last_fetched_at": None,
        "waits_until": None,
        "claimed_until": None,
        "failures": 0,
        "last_error": "",
    }
    try:
        with transaction.atomic():
            lock_people([user_id])
            person = User.objects.filter(id=user_id, is_active=True).first()
            if person is None:
                raise Invalid("There is nobody here any more to connect this to.")
            before = Connection.objects.filter(user_id=user_id, provider=cloud.name).first()
            if before is None or before.account != account:
                values["fetched_until"] = None
            connection, _ = Connection.objects.update_or_create(user_id=user_id, provider=cloud.name, defaults=values)
            enqueue_fetch(connection.id)
            return person.name
    except IntegrityError:
        # Not taken back at the cloud: that would take the other person's connection with it.
        raise Conflict(f"Somebody else here has connected this {cloud.title} account.") from None


def _revoke_later(connections: Iterable[Connection]) -> None:
    """In the transaction at hand; a cloud that does not answer keeps nobody from leaving it."""
    from fitness.tasks import revoke_one_grant  # tasks call services

    for connection in connections:
        if connection.tokens:
            revoke_one_grant.defer(provider_name=connection.provider, sealed=connection.tokens)


def _hash(state: str) -> str:
    return sha256(state.encode("utf-8", "replace")).hexdigest()


def _challenge(verifier: str) -> str:
    """S256, RFC 7636, section 4.2."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _redirect_uri() -> str:
    return f"{settings.PUBLIC_URL}{CALLBACK}"
