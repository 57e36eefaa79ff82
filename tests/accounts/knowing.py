"""Somebody of whom everything is known that the server can know of a person, each in words that nobody else uses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import (
    Delivery,
    Device,
    Export,
    Notification,
    NotificationPreference,
    NotificationSettings,
    Phone,
    User,
)
from accounts.pictures.names import SIDES, picture_name
from competitions.models import Competition
from fitness.models import (
    Activity,
    Connection,
    CountedDay,
    DataSource,
    Flag,
    FlagEvidence,
    Import,
    PendingAuthorisation,
    Sample,
    SourcePreference,
    SupersededActivity,
    Tombstone,
)
from prizes.models import PayoutAccount

PASSWORD = "plenty-of-walking-today"
PICTURE = "0123456789abcdef" * 2
SECRETS = (
    "quixotic",  # in the name, the e-mail, the biography
    PICTURE,
    "+4915799",  # the phone
    "zanzibar",  # devices, apps, clouds, files
    "xylophone",  # what they said in an appeal, and what was seen of them
)
"""Of which nothing may be left."""


def keep_files_in(settings: Any, folder: Path) -> None:
    """Whatever is kept as a file."""
    settings.IMPORT_DIR = folder / "imports"
    stores = {
        name: {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": folder / name, "base_url": "/media/", "file_permissions_mode": 0o600},
        }
        for name in ("default", "private")
    }
    settings.STORAGES = {**settings.STORAGES, **stores}


def known_person() -> User:
    person = User(
        name="Quixotic Walker",
        email="quixotic@example.org",
        bio="A quixotic life.",
        avatar=PICTURE,
        country="DE",
        timezone="Europe/Berlin",
        language="de-DE",
        email_verified_at=datetime.now(UTC),
        last_login=datetime.now(UTC),
    )
    person.set_password(PASSWORD)
    person.save()
    for side in SIDES:
        storages["default"].save(picture_name(person.id, PICTURE, side), ContentFile(b"zanzibar in %d pixels" % side))
    return person


def make_known(person: User, competition: Competition) -> None:
    """``competition``: one that they take part in."""
    now = datetime.now(UTC)
    _come_in(person, now)
    _be_told(person, competition, now)
    _walk(person, now)
    _be_flagged(person, competition, now)
    PayoutAccount.objects.create(user=person, gateway="manual", reference="bank", created_at=now, updated_at=now)


def _come_in(person: User, now: datetime) -> None:
    RefreshToken.for_user(person)
    person.groups.add(Group.objects.get(name="reviewer"))
    person.user_permissions.add(Permission.objects.get(codename="view_user"))
    TOTPDevice.objects.create(user=person, name="authenticator")
    StaticDevice.objects.create(user=person, name="recovery codes").token_set.create(token="once")
    common: dict[str, Any] = {"username": person.email, "ip_address": "192.0.2.1", "path_info": "/admin/login/"}
    AccessAttempt.objects.create(**common, get_data="", post_data="", failures_since_start=1)
    AccessFailureLog.objects.create(**common)
    AccessLog.objects.create(**common)
    LogEntry.objects.create(
        user=person,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(person.id),
        object_repr=person.name,
        action_flag=CHANGE,
    )


def _be_told(person: User, competition: Competition, now: datetime) -> None:
    device = Device.objects.create(
        user=person, token="zanzibar-token", platform="web", added_at=now, seen_at=now
    )  # fmt: skip
    told = Notification.objects.create(
        user=person, event="joined", competition_id=competition.id, dedupe_key="zanzibar", listed=True, created_at=now
    )
    Delivery.objects.create(notification=told, channel="push", device=device, due_at=now)
    Phone.objects.create(user=person, number="+4915799", code_sent_at=now, verified_at=now)
    NotificationSettings.objects.create(user=person, quiet_from="22:00", quiet_until="07:00")
    NotificationPreference.objects.create(user=person, event="joined", channel="push", wanted=False)
    storages["private"].save("exports/zanzibar.zip", ContentFile(b"zanzibar"))
    Export.objects.create(
        user=person,
        state="ready",
        file_name="exports/zanzibar.zip",
        bytes=8,
        requested_at=now - timedelta(days=2),
        finished_at=now,
        expires_at=now + timedelta(days=5),
    )


def _walk(person: User, now: datetime) -> None:
    amounts = {"steps": 4321, "distance_mm": 5, "energy_cal": 6, "active_seconds": 7}
    yesterday = now.date() - timedelta(days=1)
    Activity.objects.create(user=person, day=yesterday, source="fitbit", created_at=now, synced_at=now, **amounts)
    SupersededActivity.objects.create(
        user=person, day=yesterday, source="fitbit", synced_at=now, superseded_at=now, **amounts
    )
    CountedDay.objects.create(user=person, day=yesterday, **amounts)
    source = DataSource.objects.create(user=person, app="zanzibar.app", device="zanzibar", kind="watch", synced_at=now)
    Sample.objects.create(
        user=person,
        source=source,
        external_id="zanzibar-1",
        channel="push",
        type="steps",
        start_at=now - timedelta(hours=2),
        end_at=now - timedelta(hours=1),
        amount=77,
        recording="automatic",
        zone="Europe/Berlin",
        synced_at=now,
    )
    Tombstone.objects.create(user=person, external_id="zanzibar-0", deleted_at=now)
    SourcePreference.objects.create(user=person, kinds=["watch", "phone"], since_at=now)
    Connection.objects.create(
        user=person, provider="google_fit", account="zanzibar", state="disconnected", connected_at=now
    )
    PendingAuthorisation.objects.create(
        user=person, provider="google_fit", state_hash="zanzibar", verifier="zanzibar", expires_at=now
    )
    upload = Import.objects.create(user=person, format="tcx", bytes=1, reason="zanzibar", created_at=now)
    FileSystemStorage(settings.IMPORT_DIR).save(str(upload.id), ContentFile(b"zanzibar"))


def _be_flagged(person: User, competition: Competition, now: datetime) -> None:
    flag = Flag.objects.create(
        competition=competition,
        user=person,
        check_name="speed",
        day=now.date(),
        opened_at=now,
        appeal="A xylophone made me walk.",
        appealed_at=now,
    )
    FlagEvidence.objects.create(flag=flag, day=now.date(), text="As if by xylophone.", held=True, found_at=now)
