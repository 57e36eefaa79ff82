"""Joining and new rules count the activity that is there already, erasing removes it, and what is stored is announced;
a line or two each."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from accounts.signals import person_erased
from competitions.models import Competition
from competitions.signals import participants_joined, rules_changed
from fitness.announce import announce_activity
from fitness.services.connections import forget_connections
from fitness.services.counting import count_activity
from fitness.services.decisions import forget_flags
from fitness.services.flags import check_newcomers
from fitness.services.imports import forget_imports
from fitness.services.syncing import forget_activity
from fitness.signals import activity_stored


@receiver(participants_joined)
def count_what_is_there(competition: Competition, user_ids: Sequence[UUID], joined_at: datetime, **_: Any) -> None:
    check_newcomers(competition=competition, user_ids=user_ids, now=joined_at)
    count_activity(competitions=[competition], user_ids=user_ids, now=joined_at)


@receiver(rules_changed)
def count_anew(competition: Competition, changed_at: datetime, **_: Any) -> None:
    count_activity(competitions=[competition], user_ids=None, now=changed_at)


@receiver(person_erased)
def forget(user_id: UUID, **_: Any) -> None:
    forget_activity(user_id=user_id)
    forget_connections(user_id=user_id)
    forget_imports(user_id=user_id)
    forget_flags(user_id=user_id)


@receiver(activity_stored)
def announce(user_ids: Collection[UUID], **_: Any) -> None:
    people = list(user_ids)
    transaction.on_commit(lambda: announce_activity(people), robust=True)
