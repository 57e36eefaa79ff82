"""What the rules cut off, as charts."""

from collections.abc import Iterator, Mapping

from competitions.models import Competition
from competitions.rules import Metric
from config.core.charts import Chart, Shape
from config.core.tables import counted
from config.panel.insight_charts import in_units, unit_of
from fitness.left_out import CAPPED, LeftOut
from fitness.reckoning import Reason
from fitness.rules import SampleType

WORDS: Mapping[str, str] = {
    CAPPED: "above the daily cap",
    Reason.MANUAL: "typed in",
    Reason.SOURCE_NOT_ALLOWED: "source not allowed",
    Reason.BEFORE_JOINING: "before joining",
    Reason.OUTSIDE: "outside the competition",
    Reason.LATE: "arrived too late",
    Reason.HELD: "held by a flag",
    Reason.EXCLUDED: "excluded after a flag",
    Reason.OVERLAPPED: "measured twice",
}


def metrics_of(competition: Competition) -> list[SampleType]:
    """Those that its points are made of."""
    if competition.metric == Metric.WEIGHTED:
        return [type_ for type_ in SampleType if type_ in competition.weights]
    return [SampleType(competition.metric)]


def left_out_charts(found: LeftOut, metrics: list[SampleType]) -> Iterator[Chart]:
    """Of how many people, and how much of each metric."""
    people = {reason: found.people.get(reason, 0) for reason in WORDS}
    yield Chart(
        *(
            "left-out-people",
            "Whom the rules touched",
            list(WORDS.values()),
            {"people": list(people.values())},
            "reason",
        ),
        shape=Shape.ROWS,
        says=f"{counted(found.heard, 'person', 'people')} sent something; of each bar’s people, some of it does not"
        " count for that reason.",
    )
    for type_ in metrics:
        yield _of_metric(found, type_)


def _of_metric(found: LeftOut, type_: SampleType) -> Chart:
    said, counted, unit = found.said.get(type_, 0), found.counted.get(type_, 0), unit_of(type_)
    amounts = [in_units(found.amounts.get(reason, {}).get(type_, 0), type_) for reason in WORDS]
    says = "Nobody has sent any yet."
    if said:
        part = counted * 1000 // said
        says = f"Of {in_units(said, type_):,} {unit} that were sent, {in_units(counted, type_):,} count: {part / 10} %."
    return Chart(
        *(f"left-out-{type_.value.replace('_', '-')}", f"What the rules cut off: {unit}", list(WORDS.values())),
        *({"cut off": amounts}, "reason", unit),
        shape=Shape.ROWS,
        says=says,
        note="“Measured twice” is what another source of the same person counts for at that time.",
    )
