"""A report of totals as it crosses the wire, whoever carries it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.models import Scope, ServiceKey, User
from accounts.paths import user_id_named
from accounts.queries import person
from competitions.models import Competition
from competitions.queries import competition
from config.core.api import checked, uuid_of
from config.core.errors import Forbidden
from leaderboards.api.serializers import ReportBody
from leaderboards.queries import access_board
from leaderboards.services import Report
from leaderboards.units import base_amounts

UPDATED = "Leaderboard updated."


def read_report(reporter: User | ServiceKey, body: Any, now: datetime) -> Report:
    """Somebody's totals so far: one's own, or anybody's with a key that holds the scope or as staff.

    Raises a validation error that names the field, Forbidden, and NotFound for people and competitions that do not
    exist or that the reporter may not see.
    """
    fields = checked(ReportBody, body)
    service = isinstance(reporter, ServiceKey)
    user_id = user_id_named(fields["user_id"], me=None if service else reporter.id)
    if not _may_report_for(reporter, user_id):
        raise Forbidden("You may only report your own totals.")
    if service or user_id != reporter.id:
        person(user_id)  # of a service or staff, who may name anybody: a 404 for nobody
    return Report(_competition(reporter, uuid_of(fields["competition_id"])), user_id, base_amounts(fields), now)


def _may_report_for(reporter: User | ServiceKey, user_id: UUID) -> bool:
    if isinstance(reporter, ServiceKey):
        return reporter.allows(Scope.SCORES_WRITE)
    return user_id == reporter.id or reporter.has_perm("leaderboards.change_standing")


def _competition(reporter: User | ServiceKey, competition_id: UUID) -> Competition:
    if isinstance(reporter, ServiceKey):
        return competition(competition_id)
    return access_board(reporter, competition_id)
