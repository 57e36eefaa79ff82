"""One of everything that has a door, and everybody who may stand before it.

What is private belongs to the participant; the competitions are the owner's, and private too. Nothing is committed: who
builds it is in a transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.links import Purpose, token_for
from accounts.models import Device, Export, Notification, Phone, Scope, User
from accounts.notices import Event
from accounts.phones import code_for
from accounts.pictures.names import picture_name
from accounts.services.keys import create_service_key
from accounts.unsubscribing import Subscription, unsubscribe_token
from competitions.models import Competition
from competitions.rules import Kind, span_of
from competitions.services.enrolment import enrol_people
from competitions.services.lifecycle import create_competition
from fitness.models import Connection, Flag, Import
from fitness.services.connections import open_connection
from leaderboards.scoring import Totals
from leaderboards.services import Total, record_synced_totals
from prizes.actors import Actor
from prizes.services.distribution import distribute_prizes
from prizes.services.funding import confirm_funding
from tests.accounts.drawing import encoded, plain
from tests.fitness.walking import measured, sync
from tests.prizes.conftest import connect_accounts

PASSWORD = "a-long-walk-home"
PRIVATE, PUBLIC = "private", "public"

WHO: Mapping[str, str] = {
    "anon": "nobody",
    "other": "somebody else",
    "part": "takes part; what is a person's own is theirs",
    "owner": "of the competitions",
    "organ": "staff: organiser",
    "review": "staff: reviewer",
    "treas": "staff: treasurer",
    "supp": "staff: support",
    "super": "superuser",
    "key": "a service whose key has every scope",
    "nokey": "a service whose key has every scope but the one that is asked for",
}
ROLES = {"organ": "organiser", "review": "reviewer", "treas": "treasurer", "supp": "support"}
KEYS = ("key", "nokey")


@dataclass(frozen=True)
class World:
    people: Mapping[str, User]
    rows: Mapping[str, str]
    """What stands for the braces of an address."""
    now: datetime

    def address(self, pattern: str) -> str:
        return pattern.format_map(self.rows)


def build_world(now: datetime) -> World:
    people = _people()
    running = _competition(people["owner"], now, -3, 3)
    shown = _competition(people["owner"], now, -3, 3, visibility=PUBLIC)
    upcoming = _competition(people["owner"], now, 3, 9)
    draft = _competition(people["owner"], now, 3, 9, published=False)
    enrol_people(competition=running, user_ids=[people["part"].id], now=now)
    held = _walk_too_fast(running, people["part"], now)
    over, waiting = (_over(people, now, pool=pool) for pool in (10_000, 500_000))
    distribute_prizes(competition_id=waiting.id, actor=Actor(people["second treasurer"]), reason="It is over.", now=now)
    competitions = {"running": running, "public": shown, "upcoming": upcoming, "draft": draft, "over": over}
    return World(
        people=people,
        rows={
            **{name: str(found.id) for name, found in competitions.items()},
            "waiting": str(waiting.id),
            "code": running.join_code,
            "part": str(people["part"].id),
            "flag": str(held.id),
            **_belongings(people["part"], now),
            "nothing": str(uuid4()),
            "today": str(now.date()),
        },
        now=now,
    )


def _people() -> dict[str, User]:
    people = {}
    for who in [*(set(WHO) - set(KEYS) - {"anon"}), "second treasurer"]:
        staff = who in ROLES or who in ("super", "second treasurer")
        person = User(name=who.capitalize(), email=f"{who.replace(' ', '.')}@example.org", is_staff=staff)
        person.is_superuser = who in ("super", "second treasurer")
        person.set_password(PASSWORD)
        person.save()
        if who in ROLES:
            person.groups.add(Group.objects.get(name=ROLES[who]))
        people[who] = person
    return people


def _competition(owner: User, now: datetime, starts: int, ends: int, **fields: Any) -> Competition:
    first, last = now.date() + timedelta(days=starts), now.date() + timedelta(days=ends)
    published, made_at = fields.pop("published", True), fields.pop("made_at", now)
    columns = {"name": "Lake walk", "visibility": PRIVATE, "score_source": "either", **fields}
    span = span_of(first, last, "UTC", Kind.CUSTOM)
    return create_competition(owner=owner, fields=columns, span=span, published=published, now=made_at)


def _walk_too_fast(competition: Competition, person: User, now: datetime) -> Flag:
    Competition.objects.filter(id=competition.id).update(stored_policy={"checks": {"cadence": "hold"}})
    morning = datetime.combine(now.date() - timedelta(days=1), time(8), UTC)
    sync(person, measured(morning, 10_000, 600), now=now)
    return Flag.objects.get(competition=competition)


def _over(people: Mapping[str, User], now: datetime, *, pool: int) -> Competition:
    """Over and final, won by the participant, its pool on our account."""
    made_at = now - timedelta(days=12)
    found = _competition(
        people["owner"], now, -10, -5, made_at=made_at, grace_hours=0, prize_pool_minor=pool, score_source="synced"
    )
    enrol_people(competition=found, user_ids=[people["part"].id], now=made_at)
    record_synced_totals(
        totals=[Total(found.id, people["part"].id, Totals(steps=500))], now=made_at + timedelta(days=3)
    )
    confirm_funding(
        competition_id=found.id,
        amount_minor=pool,
        reference=f"bank {pool}",
        actor=Actor(people["second treasurer"]),
        reason="It is on our account.",
        now=now,
    )
    if pool == 10_000:
        connect_accounts(found)
    return found


def _belongings(person: User, now: datetime) -> dict[str, str]:
    """Rows that are this person's alone."""
    mail = Notification.objects.create(user=person, event=Event.STARTED, dedupe_key="1", listed=True, created_at=now)
    device = Device.objects.create(user=person, token="of-a-phone", platform="web", added_at=now, seen_at=now)
    phone = Phone.objects.create(user=person, number="+4915112345678", code_sent_at=now)
    upload = Import.objects.create(user=person, format="gpx", bytes=1, created_at=now)
    Connection.objects.create(user=person, provider="google_fit", state="connected", connected_at=now)
    consent = open_connection(user_id=person.id, provider_name="google_fit", now=now)
    name = storages["private"].save("exports/of-the-participant.zip", ContentFile(b"PK of nothing"))
    Export.objects.create(
        user=person, state="ready", file_name=name, bytes=13, requested_at=now, finished_at=now,
        expires_at=now + timedelta(days=1),
    )  # fmt: skip
    picture = storages["default"].save(
        picture_name(person.id, "0" * 32, 96), ContentFile(encoded(plain(side=9), "WEBP"))
    )
    return {
        "notification": str(mail.id),
        "device": str(device.id),
        "import": str(upload.id),
        "picture": picture,
        "state": parse_qs(urlsplit(consent).query)["state"][0],
        "phone_code": code_for(phone),
        "refresh": str(RefreshToken.for_user(person)),
        "reset": token_for(person, Purpose.RESET_PASSWORD),
        "verify": token_for(person, Purpose.VERIFY_EMAIL),
        "unsubscribe": unsubscribe_token(Subscription(person.id, None)),
    }


def make_keys(needed: Scope | None) -> dict[str, str]:
    """The secret of each."""
    scopes: dict[str, Sequence[Scope]] = {"key": list(Scope), "nokey": [one for one in Scope if one != needed]}
    return {who: create_service_key(name=f"{who} {uuid4().hex}", scopes=those)[1] for who, those in scopes.items()}


def picture_file() -> BytesIO:
    file = BytesIO(encoded(plain()))
    file.name = "me.jpg"
    return file
