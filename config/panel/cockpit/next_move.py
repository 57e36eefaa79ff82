"""What comes next in a competition's life, in a sentence, and who is to do it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from competitions.rules import Status
from config.core.tables import counted, day_and_time
from config.panel.cockpit.facts import Cockpit
from prizes.api.permissions import TREASURER


@dataclass(frozen=True)
class Button:
    """``is_move``: what is to be done next, and not only what could be."""

    label: str
    address: str
    is_move: bool = True


@dataclass(frozen=True)
class NextMove:
    """``buttons``: the move itself first, then what else could be done; none for whoever only looks."""

    sentence: str
    buttons: Sequence[Button] = ()


def next_move(cockpit: Cockpit) -> NextMove:
    competition = cockpit.competition
    match cockpit.status:
        case Status.DRAFT:
            begun = "starts at once" if competition.end_at > cockpit.now else "is over at once"
            starts = f"starts on {day_and_time(competition.start_at)}" if _is_ahead(cockpit) else begun
            told = f"Publish it. Until then only its organiser and staff see it; once it is published it {starts}."
            return NextMove(told, _steps(cockpit, "publish"))
        case Status.UPCOMING:
            told = f"It starts by itself on {day_and_time(competition.start_at)}. {_people(cockpit)}{_lacks(cockpit)}"
            return NextMove(told, [*_funding(cockpit), *_steps(cockpit, "cancel")])
        case Status.ACTIVE:
            told = f"It ends by itself on {day_and_time(competition.end_at)}. {_people(cockpit)}{_lacks(cockpit)}"
            return NextMove(told, [*_funding(cockpit), *_steps(cockpit, "cancel")])
        case Status.ENDED:
            told = (
                "It is over. Late phones may send what was measured before the end; the standings are frozen by"
                f" themselves on {day_and_time(competition.closes_at)}.{_lacks(cockpit)}"
            )
            return NextMove(told, _funding(cockpit))
        case Status.CANCELLED:
            return _after_cancelling(cockpit)
    return _after_the_end(cockpit)


def _after_cancelling(cockpit: Cockpit) -> NextMove:
    if not cockpit.has_money:
        return NextMove("It was cancelled. Nothing is left to do.")
    under_way, failed = cockpit.transfers
    if failed:
        told = f"It was cancelled. {counted(failed, 'refund has', 'refunds have')} failed; a treasurer sees to that."
    elif cockpit.sees_money and cockpit.held_minor:
        held = cockpit.money(cockpit.held_minor)
        told = f"It was cancelled. The pool still holds {held}; a treasurer gives that back."
    elif under_way:
        told = f"It was cancelled. {counted(under_way, 'refund is', 'refunds are')} on the way."
    else:
        told = "It was cancelled. No refund waits for anything."
    return NextMove(told, _settlement(cockpit, "Open the settlement"))


def _after_the_end(cockpit: Cockpit) -> NextMove:
    if not cockpit.standings_number:
        told = "It is over. Its standings are frozen in a moment, by themselves, or now by a treasurer who settles it."
        return NextMove(told, _settlement(cockpit, "Settle"))
    if not cockpit.has_money:
        return NextMove("It is over and its standings are final. Nothing is left to do.")
    awards = cockpit.awards
    distribution = getattr(awards, "distribution", None)
    if awards is None:
        told = f"The standings are final{_lacks(cockpit, '; but') or ', and a treasurer calculates the prizes.'}"
        return NextMove(told, _funding(cockpit) or _settlement(cockpit, "Calculate the prizes"))
    if distribution is None:
        told = f"The prizes are calculated.{_lacks(cockpit) or ' A treasurer has them paid.'}"
        return NextMove(told, _funding(cockpit) or _settlement(cockpit, "Distribute"))
    if distribution.released_at is None:
        return NextMove(
            "The prizes were asked for and wait for another treasurer's approval.", _settlement(cockpit, "Approve")
        )
    under_way, failed = cockpit.transfers
    if failed:
        told = f"The prizes went out, and {counted(failed, 'transfer has', 'transfers have')} failed."
        return NextMove(f"{told} A treasurer sees to that.", _settlement(cockpit, "See what failed"))
    if under_way:
        told = f"The prizes went out; {counted(under_way, 'transfer is', 'transfers are')} on the way."
        return NextMove(told, _settlement(cockpit, "Open the settlement"))
    return NextMove("Everything is paid. Nothing is left to do.", _settlement(cockpit, "Open the settlement"))


def _is_ahead(cockpit: Cockpit) -> bool:
    return cockpit.competition.start_at > cockpit.now


def _people(cockpit: Cockpit) -> str:
    return f"{counted(cockpit.competition.participant_count, 'person takes', 'people take')} part."


def _lacks(cockpit: Cockpit, then: str = "") -> str:
    """What the pool lacks, for those who may know it."""
    if not (cockpit.sees_money and cockpit.missing_minor):
        return ""
    missing = cockpit.money(cockpit.missing_minor)
    return f"{then} {missing} of the promised pool is not confirmed yet; a treasurer does that."


def _funding(cockpit: Cockpit) -> list[Button]:
    return _settlement(cockpit, "Confirm the pool") if cockpit.missing_minor else []


def _settlement(cockpit: Cockpit, label: str) -> list[Button]:
    """To a treasurer's page of it; others who may read it only look."""
    if not cockpit.sees_settlement:
        return []
    return [Button(label if cockpit.viewer.has_perm(TREASURER) else "Look at the settlement", cockpit.settlement)]


_LABELS = {"publish": "Publish …", "cancel": "Cancel it …"}


def _steps(cockpit: Cockpit, *names: str) -> list[Button]:
    """Each leads to a page that says first what will happen."""
    if not cockpit.may_run:
        return []
    of = "admin:competitions_competition_step"
    return [Button(_LABELS[name], reverse(of, args=[cockpit.competition.pk, name]), name != "cancel") for name in names]
