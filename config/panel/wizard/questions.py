"""What is asked, on which page, in which words. Nothing here decides whether an answer is right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django import forms

from accounts.models import User
from competitions.policy import DEFAULT_CHECKS, Check, DayBoundary, MergeRule, OnHit
from competitions.rules import Kind, Metric, ScoreSource, TieRule, Visibility
from competitions.wording import CHECKS, DEVICES, UNITS
from config.core.clock import day_in, zone_names
from config.core.money import CURRENCIES
from prizes.allocation import Leftover
from prizes.plans import DEFAULT

Choices = Sequence[tuple[str, str]]


class Prizes(StrEnum):
    """The ways to divide a pool that the wizard knows."""

    NONE = "none"
    WINNER = "winner"
    FIRST_THREE = "first_three"
    PERCENT = "percent"  # places of one's own
    AMOUNT = "amount"
    TARGET = "target"


@dataclass(frozen=True)
class Question:
    """``name``: the path of the field in the API's body, as its complaints call it. ``usual``: the answer of who says
    nothing. ``of``: a word for the style, which shows it only where it matters."""

    name: str
    label: str
    help: str = ""
    widget: Callable[[], forms.Widget] = forms.TextInput
    usual: Any = ""
    of: str = ""

    def form_field(self) -> forms.Field:
        """Checks nothing: the API's body does."""
        return forms.Field(
            label=self.label, help_text=self.help, widget=self.widget(), initial=self.usual, required=False
        )


@dataclass(frozen=True)
class Group:
    title: str
    questions: Sequence[Question]
    folded: bool = False
    help: str = ""
    of: str = ""
    side_by_side: bool = False


@dataclass(frozen=True)
class Step:
    """``name`` stands in the address."""

    name: str
    title: str
    groups: Sequence[Group] = field(default_factory=tuple)

    @property
    def questions(self) -> list[Question]:
        return [question for group in self.groups for question in group.questions]


def _text(**attrs: Any) -> Callable[[], forms.Widget]:
    return lambda: forms.TextInput(attrs={"autocomplete": "off", **attrs})


def _number(**attrs: Any) -> Callable[[], forms.Widget]:
    return _text(inputmode="decimal", **attrs)


def _area(rows: int) -> Callable[[], forms.Widget]:
    return lambda: forms.Textarea(attrs={"rows": rows})


def _select(choices: Choices) -> Callable[[], forms.Widget]:
    return lambda: forms.Select(choices=choices)


def _radio(choices: Choices) -> Callable[[], forms.Widget]:
    return lambda: forms.RadioSelect(choices=choices)


def _checkboxes(choices: Choices) -> Callable[[], forms.Widget]:
    return lambda: forms.CheckboxSelectMultiple(choices=choices)


# --- What and when ---

_KINDS = (
    (Kind.DAILY, "Daily: one day"),
    (Kind.WEEKLY, "Weekly: seven days from the first one on"),
    (Kind.MONTHLY, "Monthly: as many days as the month has in which it starts"),
    (Kind.CUSTOM, "Custom: from the first to the last day that you name"),
)


def next_monday(now: datetime, zone: str) -> str:
    today = day_in(zone, now)
    return (today + timedelta(days=7 - today.weekday())).isoformat()


def _what_and_when(user: User, now: datetime) -> Step:
    zone = user.timezone or "UTC"
    what = [
        Question("name", "Name", "What people call it; up to 120 letters.", _text(maxlength=120)),
        Question("description", "Description", "What it is about, for those who think about joining.", _area(3)),
    ]
    when = [
        Question("type", "Type", "How long it lasts when you name no last day.", _radio(_KINDS), Kind.WEEKLY.value),
        Question("start_date", "First day", "It starts at midnight.", _date, next_monday(now, zone)),
        Question("end_date", "Last day", "It counts to its end. Leave it empty where the type says how long.", _date),
        Question(
            "timezone",
            "Time zone",
            "Whose midnights these are. Type a part of the city's name to find it.",
            _text(list="zones", spellcheck="false"),
            zone,
        ),
        Question(
            "grace_hours",
            "Hours of grace",
            "How long after the end phones may still send what was measured before it. Then the standings are final.",
            _number(),
            "24",
        ),
    ]
    return Step("what-and-when", "What and when", (Group("What", what), Group("When", when)))


def _date() -> forms.Widget:
    return forms.TextInput(attrs={"type": "date"})


def zones() -> list[str]:
    return sorted(zone_names())


# --- What counts ---

_METRICS = (
    (Metric.STEPS, "Steps"),
    (Metric.DISTANCE, "Distance, in metres"),
    (Metric.CALORIES, "Energy, in kilocalories"),
    (Metric.ACTIVE_MINUTES, "Active minutes"),
    (Metric.WEIGHTED, "Points: a mixture of these, weighted by you"),
)

_TIES = (
    (TieRule.FIRST_TO_REACH, "Whoever got there first stands higher"),
    (TieRule.SHARED, "They share the place, and their prizes"),
)

_SOURCES = (
    ("", "As usual: with money at stake only what devices recorded, else either"),
    (ScoreSource.SYNCED, "Only what phones, watches and connected apps have recorded"),
    (ScoreSource.EITHER, "Either what was recorded or a total that an app reports, whichever is larger"),
    (ScoreSource.REPORTED, "Only totals that an app reports"),
)

_BOUNDARIES = (
    (DayBoundary.COMPETITION, "The midnight of the competition's time zone"),
    (DayBoundary.PARTICIPANT, "The midnight of where each person is"),
    (DayBoundary.UTC, "Midnight by UTC"),
)

_MERGES = (
    (MergeRule.LARGEST, "The largest reading"),
    (MergeRule.PREFERRED, "The reading of the preferred device"),
)

_ON_HIT = (
    (OnHit.HOLD, "Hold it back until somebody has looked"),
    (OnHit.COUNT, "Count it, and have somebody look"),
    (OnHit.OFF, "Do not look for it"),
)

_DEVICES = tuple((kind.value, name.capitalize()) for kind, name in DEVICES.items())
_PREFERENCES = (("", "Each person's own choice"), *_DEVICES)


def _what_counts() -> Step:
    standing = [
        Question("tie_rule", "Who have the same", "", _radio(_TIES), TieRule.FIRST_TO_REACH.value),
        Question("score_source", "Where it comes from", "", _radio(_SOURCES)),
    ]
    fair_play = [
        Question("rules.manual_entries", "What was typed in by hand counts too", "", forms.CheckboxInput, usual=True),
        Question(
            "rules.since_joining",
            "Only what was done after joining counts",
            "Otherwise, who joins late brings along everything since the first day.",
            forms.CheckboxInput,
            usual=False,
        ),
    ]
    return Step(
        "what-counts",
        "What counts",
        (
            Group("Points", [Question("metric", "What is counted", "", _radio(_METRICS), Metric.STEPS.value)]),
            _weights(),
            Group("Standing", standing),
            _caps(),
            Group("Fair play", fair_play),
            Group("Devices and days", _devices_and_days(), folded=True),
            _checks(),
        ),
    )


def _weights() -> Group:
    weights = [
        Question(f"weights.{name}", f"Points for every {one}", "", _number()) for name, (one, _) in UNITS.items()
    ]
    says = "For points only; what stays empty counts nothing."
    return Group("Weights", weights, help=says, of="weighted", side_by_side=True)


def _caps() -> Group:
    caps = [
        Question(f"rules.daily_cap.{name}", f"At most so many {several}", "", _number())
        for name, (_, several) in UNITS.items()
    ]
    says = "What goes beyond it on one day does not count. Empty: no limit."
    return Group("A day's most", caps, help=says, side_by_side=True)


def _checks() -> Group:
    checks = [
        Question(
            f"rules.checks.{check.value}", CHECKS[check].capitalize(), "", _select(_ON_HIT), DEFAULT_CHECKS[check].value
        )
        for check in Check
    ]
    says = "What becomes of it until somebody has looked."
    return Group("What looks impossible", checks, folded=True, help=says)


def _devices_and_days() -> list[Question]:
    return [
        Question(
            "rules.allowed_sources",
            "Only these devices count",
            "None chosen, and no app named: all of them.",
            _checkboxes(_DEVICES),
        ),
        Question("apps", "Only these apps count", "Their technical names, one on a line.", _area(2)),
        Question(
            "rules.backfill_days",
            "How many days something may arrive late",
            "After the day it was measured on. Empty: as long as the competition takes anything.",
            _number(),
        ),
        Question(
            "rules.day_boundary",
            "When a day ends",
            "",
            _radio(_BOUNDARIES),
            DayBoundary.COMPETITION.value,
        ),
        Question(
            "rules.merge", "When several devices recorded the same time", "", _radio(_MERGES), MergeRule.LARGEST.value
        ),
        *(
            Question(
                f"rules.preference[{place}]", f"Preferred device, {ordinal}", "", _select(_PREFERENCES), of="preferred"
            )
            for place, ordinal in enumerate(("first", "second", "third", "fourth", "fifth"))
        ),
    ]


# --- Who takes part ---

_VISIBILITIES = (
    (Visibility.OPEN, "Open: everybody with an account sees it and may join"),
    (Visibility.PUBLIC, "Public: the same, and the board is a web page for everybody"),
    (Visibility.PRIVATE, "Private: who has the join code may join, and only those who take part see it"),
)


def _who_takes_part() -> Step:
    questions = [
        Question("visibility", "Who may see it and join", "", _radio(_VISIBILITIES), Visibility.OPEN.value),
        Question("max_participants", "Places", "How many may take part. Empty: as many as like to.", _number()),
    ]
    return Step("who-takes-part", "Who takes part", (Group("People", questions),))


# --- Money ---

_PRIZES = (
    (Prizes.NONE, "No prizes; if there is an entry fee, it is the organiser's"),
    (Prizes.WINNER, "The winner takes all"),
    (Prizes.FIRST_THREE, "60 % for the first, 30 % for the second, 10 % for the third"),
    (Prizes.PERCENT, "Places of your own, each with a part of the pool"),
    (Prizes.AMOUNT, "Places of your own, each with an amount of money"),
    (Prizes.TARGET, "Everybody who reaches a target gets the same"),
)

_LEFTOVERS = (
    (Leftover.REDISTRIBUTE, "Goes to the winners, in proportion"),
    (Leftover.ROLL_OVER, "Is kept for the organiser's next competition"),
    (Leftover.RETURN, "Goes back to the organiser"),
)


def _money(rows: int) -> Step:
    currencies = tuple((code, code) for code in sorted(CURRENCIES))
    paying = [
        Question("currency", "Currency", "", _select(currencies), "USD"),
        Question("entry_fee", "Entry fee", "What taking part costs. 0: nothing.", _number(), "0"),
    ]
    prizes = [
        Question("places", "How the prize pool is divided", "", _radio(_PRIZES), Prizes.NONE.value),
        Question(
            "prize_pool",
            "Prize pool",
            "What you promise, entry fees aside. A treasurer confirms the money before it is paid out.",
            _number(),
            "0",
            of="pool",
        ),
        Question("target", "Target", "In the points of the board: steps, metres, …", _number(), of="target"),
    ]
    after = [
        Question(
            "leftover",
            "The prizes of places that nobody holds",
            "",
            _radio(_LEFTOVERS),
            Leftover.REDISTRIBUTE.value,
        ),
    ]
    fees = [
        Question(
            "platform_fee_percent",
            "The platform's part, in per cent",
            "Of each entry fee, taken first.",
            _number(),
            DEFAULT["platform_fee_percent"],
        ),
        Question(
            "fee_share_percent",
            "The prize pool's part of the rest, in per cent",
            "What remains is the organiser's.",
            _number(),
            DEFAULT["fee_share_percent"],
            of="pool",
        ),
    ]
    return Step(
        "money",
        "Money",
        (
            Group("Taking part", paying),
            Group("Prizes", prizes),
            _places(rows),
            Group("What is left over", after, of="pool"),
            Group("What becomes of entry fees", fees, help="Matters only where taking part costs something."),
        ),
    )


def _places(rows: int) -> Group:
    questions = []
    for row in range(rows):
        first = "1" if row == 0 else ""
        questions += [
            Question(f"places[{row}].first", f"Prize {row + 1}: from place", "", _number(), first),
            Question(f"places[{row}].last", f"Prize {row + 1}: to place", "", _number()),
            Question(f"places[{row}].worth", f"Prize {row + 1}: each gets", "", _number()),
        ]
    says = (
        "Per cent of the pool, or money, as chosen above. Without a last place it is for one; empty rows are no prizes."
    )
    return Group("Places of your own", questions, help=says, of="own")


# --- All of it ---

PREVIEW = "read-and-publish"


def steps(user: User, now: datetime, *, rows: int) -> list[Step]:
    """In their order. ``rows``: how many prizes of one's own can be written down."""
    return [
        _what_and_when(user, now),
        _what_counts(),
        _who_takes_part(),
        _money(rows),
        Step(PREVIEW, "Read and publish"),
    ]
