"""Tokens at rest, and `manage.py rotate_token_keys`."""

import io
import json
from contextlib import redirect_stdout
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from fitness.clouds.vault import Unreadable, reseal, seal, unseal
from fitness.models import Connection, PendingAuthorisation
from fitness.services import token_keys
from fitness.services.connections import opened
from fitness.services.fetching import fetch_connection
from tests.fitness.conftest import CONNECTIONS, Connect
from tests.fitness.google_server import Google, callback_of

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def rotate(*arguments: str) -> list[dict[str, Any]]:
    out = io.StringIO()
    with redirect_stdout(out):
        call_command("rotate_token_keys", "--json", *arguments)
    rows: list[dict[str, Any]] = json.loads(out.getvalue())
    return rows


def test_the_first_key_encrypts_and_all_decrypt(settings: Any) -> None:
    settings.TOKEN_KEYS = (OLD,)
    sealed = seal("hush")
    settings.TOKEN_KEYS = (NEW, OLD)
    assert unseal(sealed) == "hush"
    rotated = reseal(sealed)
    settings.TOKEN_KEYS = (NEW,)
    assert unseal(rotated) == "hush"
    for turned in (sealed, "", "nonsense", "\u00e4", rotated[:-2]):
        with pytest.raises(Unreadable):
            unseal(turned)
        with pytest.raises(Unreadable):
            reseal(turned)


@pytest.mark.django_db
def test_keys_are_replaced_without_anybody_noticing(
    google: Google, person: User, other: User, connect: Connect, signed_in: Any, settings: Any
) -> None:
    settings.TOKEN_KEYS = (OLD,)
    connection = connect(person)
    url = signed_in(other).post(f"{CONNECTIONS}/google_fit").json()["data"]["authorize_url"]
    settings.TOKEN_KEYS = (NEW, OLD)
    assert rotate("--dry-run") == [
        {"encrypted": "connections", "rotated": 1, "unreadable": 0},
        {"encrypted": "pending authorisations", "rotated": 1, "unreadable": 0},
    ]
    assert Connection.objects.get().tokens == connection.tokens, "only counted"
    assert rotate() == rotate()
    settings.TOKEN_KEYS = (NEW,)
    connection.refresh_from_db()
    assert opened(connection.tokens).refresh in google.grants
    connection.fetched_until = timezone.now()
    connection.save()
    fetched = fetch_connection(connection_id=connection.id, now=timezone.now())
    assert fetched is not None
    assert fetched.state == "connected"
    assert signed_in(other).get(callback_of(google.consent(url))).status_code == 200


@pytest.mark.django_db
def test_batches_end(google: Google, connect: Connect, make_person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_keys, "BATCH", 2)
    now = timezone.now()
    Connection.objects.bulk_create(
        Connection(user=make_person(), provider="google_fit", state="connected", tokens=seal("{}"), connected_at=now)
        for _ in range(5)
    )
    Connection.objects.bulk_create(
        [Connection(user=make_person(), provider="google_fit", state="disconnected", tokens="", connected_at=now)]
    )
    assert rotate()[0]["rotated"] == 5


@pytest.mark.django_db
def test_what_no_key_opens_is_counted_and_named(google: Google, person: User, connect: Connect, settings: Any) -> None:
    connect(person)
    settings.TOKEN_KEYS = (NEW,)
    with pytest.raises(CommandError, match="open with none of TOKEN_KEYS"):
        rotate()
    assert not PendingAuthorisation.objects.exists()
