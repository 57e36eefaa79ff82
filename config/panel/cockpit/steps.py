"""Publishing and cancelling: each says first what it will do, and is done once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django import forms
from django.db import transaction
from django.db.models import Count, Sum

from accounts.models import User
from competitions.models import Competition
from competitions.rules import SeatState, Status, Visibility
from competitions.services.lifecycle import cancel_competition, lock_competition, publish_competition
from config.core.audit import note
from config.core.errors import Conflict, Forbidden
from config.core.tables import counted, day_and_time
from config.panel.cockpit.facts import Cockpit
from prizes.models import Payment, PaymentState


@dataclass(frozen=True)
class Effect:
    """What will happen. ``notes`` may change until it is confirmed, ``sentences`` may not."""

    sentences: Sequence[str]
    notes: Sequence[str] = ()

    @property
    def fingerprint(self) -> str:
        return sha256("\n".join(self.sentences).encode()).hexdigest()


@dataclass(frozen=True)
class Step:
    """``done``: a sentence if there is nothing left to do, ``blocked``: one if it cannot be done; else both are
    empty."""

    name: str
    label: str
    done: Callable[[Cockpit], str]
    blocked: Callable[[Cockpit], str]
    effect: Callable[[Cockpit], Effect]
    carry_out: Callable[..., Competition]
    said: str
    tone: str = "primary"
    moves_money: bool = False


class ConfirmForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text="Why; it is kept with your name.",
    )
    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)


@transaction.atomic
def take_step(*, step: Step, competition_id: UUID, seen: str, reason: str, by: User, now: datetime) -> str:
    """Does what was read, once, and says what has happened. Raises NotFound, Forbidden, and Conflict when it cannot be
    done, or is not any more what was ``seen``."""
    cockpit = Cockpit(lock_competition(competition_id), by, now)
    if not cockpit.may_run:
        raise Forbidden
    if done := step.done(cockpit):
        return f"Nothing has changed. {done}"
    if blocked := step.blocked(cockpit):
        raise Conflict(blocked)
    if step.effect(cockpit).fingerprint != seen:
        raise Conflict("Something has changed since you opened this page. Read again what will happen, then confirm.")
    note(reason=reason.strip())
    step.carry_out(competition_id=competition_id, by=by, now=now)
    return step.said


# --- Publish ---

_WHO_SEES = {
    Visibility.OPEN: "From then on everybody who is signed in sees it and may join, until it ends.",
    Visibility.PUBLIC: "From then on its board is a web page for everybody, and whoever is signed in may join.",
    Visibility.PRIVATE: "From then on whoever has the join code sees it and may join, and nobody else.",
}


def _is_published(cockpit: Cockpit) -> str:
    return "It is published already." if cockpit.competition.published_at else ""


def _is_no_draft(cockpit: Cockpit) -> str:
    return "It was cancelled." if cockpit.status is Status.CANCELLED else ""


def _what_publishing_does(cockpit: Cockpit) -> Effect:
    competition, now = cockpit.competition, cockpit.now
    if competition.start_at > now:
        starts = f"It starts by itself on {day_and_time(competition.start_at)}; its rules are fixed from then on."
    elif competition.end_at > now:
        starts = "Its start has passed, so it starts at once, and its rules are fixed with that."
    else:
        starts = "Its end has passed, so it is over at once; late data counts for as long as its grace lasts."
    told = [_WHO_SEES[Visibility(competition.visibility)], starts, "It cannot be made a draft again."]
    if competition.max_participants:
        told.append(f"There are {counted(competition.max_participants, 'place', 'places')}.")
    if competition.entry_fee_minor:
        told.append(f"To take part costs {cockpit.money(competition.entry_fee_minor)}.")
    if competition.prize_pool_minor:
        confirmed = "all of it confirmed" if not cockpit.missing_minor else "not all of it confirmed yet"
        told.append(f"It promises prizes of {cockpit.money(competition.prize_pool_minor)}, {confirmed}.")
    return Effect(told)


# --- Cancel ---


def _is_cancelled(cockpit: Cockpit) -> str:
    return "It is cancelled already." if cockpit.status is Status.CANCELLED else ""


def _has_ended(cockpit: Cockpit) -> str:
    over = cockpit.status in (Status.ENDED, Status.COMPLETED) or cockpit.competition.status == Status.COMPLETED
    return "It has ended, and what has ended cannot be cancelled." if over else ""


def _what_cancelling_does(cockpit: Cockpit) -> Effect:
    competition = cockpit.competition
    told = ["It is over for everybody at once, nothing counts in it any more, and nobody wins anything."]
    taken = competition.seats.filter(state=SeatState.TAKEN)
    paid = Payment.objects.filter(seat__in=taken, state=PaymentState.PAID, refund=None)
    found = paid.aggregate(count=Count("id"), sum=Sum("amount_minor"))
    if found["count"]:
        people = counted(found["count"], "person has", "people have")
        told.append(f"{people} paid the entry fee: {cockpit.money(found['sum'])} goes back, to each what they paid.")
    elif competition.entry_fee_minor:
        told.append("Nobody has paid the entry fee, so no money goes back.")
    if competition.reserved_count:
        told.append(f"{counted(competition.reserved_count, 'seat', 'seats')} that somebody is paying for are given up.")
    if competition.funded_minor:
        pool = cockpit.money(competition.funded_minor)
        told.append(f"{pool} that was confirmed for the pool stays there until a treasurer gives it back.")
    told.append("It cannot be undone.")
    return Effect(told, [f"{counted(competition.participant_count, 'person takes', 'people take')} part now."])


STEPS = {
    step.name: step
    for step in (
        Step(
            "publish",
            "Publish",
            _is_published,
            _is_no_draft,
            _what_publishing_does,
            publish_competition,
            "It is published.",
        ),
        Step(
            "cancel",
            "Cancel the competition",
            _is_cancelled,
            _has_ended,
            _what_cancelling_does,
            cancel_competition,
            "It is cancelled.",
            tone="danger",
            moves_money=True,  # fees go back
        ),
    )
}
