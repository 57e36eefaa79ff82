"""Answers until the competition is made, in the session: gone on with after hours, and gone with the log-in."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase

MOST = 5
"""Unfinished ones; the oldest makes room for the next."""

_KEY = "new_competitions"

Draft = Mapping[str, Mapping[str, Any]]
"""Answers by step; a step that nobody has seen to the end is not in it."""


def draft(session: SessionBase, competition_id: UUID) -> Draft:
    return dict(session.get(_KEY, {}).get(str(competition_id), {}))


def keep_answers(session: SessionBase, competition_id: UUID, step: str, answers: Mapping[str, Any]) -> None:
    drafts = dict(session.get(_KEY, {}))
    drafts[str(competition_id)] = {**drafts.pop(str(competition_id), {}), step: dict(answers)}
    session[_KEY] = dict(list(drafts.items())[-MOST:])


def forget_draft(session: SessionBase, competition_id: UUID) -> None:
    drafts = dict(session.get(_KEY, {}))
    if drafts.pop(str(competition_id), None) is not None:
        session[_KEY] = drafts


def drafts(session: SessionBase) -> dict[str, Draft]:
    """By the id that the competition will have, the latest first."""
    return dict(reversed(session.get(_KEY, {}).items()))
