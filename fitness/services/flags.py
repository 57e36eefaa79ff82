"""Implausible data opens flags.

A sync calls, in its transaction, with its people locked and their competitions held, after it has stored what came and
before it counts days::

    flagged = open_flags(changes=changes, competitions=competitions, now=now)

``changes``: one `plausibility.Change` for each person of whom something was stored: the samples that are new or other
than they were (`StoredSample`, a NamedTuple), and the days of daily records that changed (`DayTotal`), with what stands
now. ``competitions``: of each person by id, those in which activity counts, as `held_for` gives them.

and once more when the days that came are counted, as what came says little of a day that comes in many pieces::

    flagged |= open_flags_of_days(changes=changes, competitions=competitions, counted=counted, now=now)

The answer is the people of whom something was flagged now. For them more may have changed than the days that came: all
their days in these competitions are to be counted again. What is set aside, `queries.flags.holds_among` says, to be
asked after this.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain
from uuid import UUID

from accounts.notices import Event
from accounts.services.notifying import News, tell_news
from competitions.models import Competition
from competitions.policy import Check, OnHit, Policy
from competitions.rules import ScoreSource
from fitness.models import Flag, FlagEvent, FlagEventKind, FlagEvidence
from fitness.plausibility import (
    WITNESSES,
    Change,
    DayAmount,
    DayTotal,
    FlagState,
    Hit,
    StoredSample,
    amounts_of_days,
    bears_witness,
    counted_of,
    day_hits,
    days_of,
    is_remarkable,
    is_worth_asking,
    manual_day_hits,
    manual_hits,
    merged,
    outlier_hit,
    sample_hits,
    shared_hits,
    together_hit,
)
from fitness.queries.flags import alike, histories_before, sent_before, shared_before, sums_of, typed_in
from fitness.rules import Recording
from leaderboards.scoring import Totals

Key = tuple[UUID, UUID, str, date]
"""What there is one flag for: a competition, a person, a check and a day."""

_TOLD_AGAIN = 1.25
"""What was seen before is worth another word when it has grown so much."""
_AT_ONCE = 200
"""People whose whole competition is held in memory."""
_ONE_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class _Suspect:
    """What of a change may count in a competition, and the checks that any of these competitions makes."""

    user_id: UUID
    samples: Sequence[StoredSample]
    days: Sequence[DayTotal]
    at_once: bool
    checks: frozenset[Check]

    @property
    def days_at_once(self) -> Sequence[DayTotal]:
        return self.days if self.at_once else ()


def open_flags(
    *, changes: Sequence[Change], competitions: Mapping[UUID, Sequence[Competition]], now: datetime
) -> set[UUID]:
    """As above. The number of statements does not depend on how many people and samples there are, and where nothing
    is out of the ordinary there is none."""
    suspects, policies = _suspects(changes, competitions)
    found = [
        (suspect.user_id, hit)
        for suspect in suspects
        for hit in chain(sample_hits(suspect.samples, now), manual_day_hits(suspect.days_at_once))
    ]
    found += _found_in_days(suspects)
    found += _found_shared(suspects)
    found += _found_typed_in(suspects, now)
    return _opened(found, competitions, policies, now)


def open_flags_of_days(
    *,
    changes: Sequence[Change],
    competitions: Mapping[UUID, Sequence[Competition]],
    counted: Mapping[UUID, Mapping[date, Totals]],
    now: datetime,
) -> set[UUID]:
    """The same for days of samples that have grown beyond the ordinary piece by piece. ``counted``: what counts of each
    person's own days."""
    suspects, policies = _suspects(changes, competitions)
    came = [(s.user_id, amount) for s in _asking(suspects) for amount in days_of(s.samples)]
    grown = [
        (u, amount, counts) for u, amount in came if is_remarkable(counts := counted_of(amount, counted.get(u, {})))
    ]
    portions = [(user_id, amount) for user_id, amount, _ in grown if not is_worth_asking(amount)]
    found = _found_in_sums(suspects, sums_of(portions)) if portions else []
    found += [(user_id, hit) for user_id, _, counts in grown if (hit := together_hit(counts))]
    return _opened(found, competitions, policies, now)


def check_newcomers(*, competition: Competition, user_ids: Sequence[UUID], now: datetime) -> None:
    """The same for what people had sent before they joined. Inside a transaction, with the people locked, before it is
    counted."""
    if competition.score_source == ScoreSource.REPORTED or now < competition.start_at:
        return
    for first in range(0, len(user_ids), _AT_ONCE):
        some = user_ids[first : first + _AT_ONCE]
        changes = sent_before(competition, some)
        open_flags(changes=changes, competitions={user_id: [competition] for user_id in some}, now=now)


def _suspects(
    changes: Sequence[Change], competitions: Mapping[UUID, Sequence[Competition]]
) -> tuple[list[_Suspect], dict[UUID, Policy]]:
    """And the policies of the competitions that any of them is in."""
    involved = {c.id: c for change in changes for c in competitions.get(change.user_id, ())}
    policies = {competition_id: competition.policy for competition_id, competition in involved.items()}
    return [
        _suspect(change, theirs, policies) for change in changes if (theirs := competitions.get(change.user_id))
    ], policies


def _suspect(change: Change, competitions: Sequence[Competition], policies: Mapping[UUID, Policy]) -> _Suspect:
    start_at = min(competition.start_at for competition in competitions) - _ONE_DAY
    end_at = max(competition.end_at for competition in competitions) + _ONE_DAY
    first, last = start_at.date(), end_at.date()
    made = {check for c in competitions for check in Check if policies[c.id].on_hit(check) != OnHit.OFF}
    return _Suspect(
        change.user_id,
        [sample for sample in change.samples if sample.start_at < end_at and sample.end_at > start_at],
        [day for day in change.days if first <= day.day <= last],
        change.at_once,
        frozenset(made),
    )


def _found_in_days(suspects: Sequence[_Suspect]) -> list[tuple[UUID, Hit]]:
    """The sums of sources' days are asked for only where much came at once, and a history only where the day is
    beyond what is remarkable in anybody."""
    asking = _asking(suspects)
    portions = [(s.user_id, came) for s in asking for came in days_of(s.samples) if is_worth_asking(came)]
    amounts = [(s.user_id, amount) for s in asking for amount in amounts_of_days(s.days)]
    return _found_in_sums(suspects, amounts + (sums_of(portions) if portions else []))


def _asking(suspects: Iterable[_Suspect]) -> list[_Suspect]:
    return [s for s in suspects if s.checks & {Check.DAILY_MAXIMUM, Check.ACTIVE_MINUTES, Check.OUTLIER}]


def _found_in_sums(suspects: Iterable[_Suspect], amounts: Sequence[tuple[UUID, DayAmount]]) -> list[tuple[UUID, Hit]]:
    found = [(user_id, hit) for user_id, amount in amounts for hit in day_hits([amount])]
    comparing = {s.user_id for s in suspects if Check.OUTLIER in s.checks}
    return found + _outliers([(u, amount) for u, amount in amounts if u in comparing and is_remarkable(amount)])


def _outliers(amounts: Sequence[tuple[UUID, DayAmount]]) -> list[tuple[UUID, Hit]]:
    days = sorted({(user_id, amount.day) for user_id, amount in amounts})
    histories = dict(zip(days, histories_before(days), strict=True)) if days else {}
    hits = [(u, outlier_hit(amount, histories[u, amount.day][amount.type])) for u, amount in amounts]
    return [(user_id, hit) for user_id, hit in hits if hit is not None]


def _found_shared(suspects: Iterable[_Suspect]) -> list[tuple[UUID, Hit]]:
    """Where too few came now to tell, what came before is asked for."""
    comparing = [s for s in suspects if Check.SHARED_SAMPLES in s.checks]
    witnesses = {s.user_id: theirs for s in comparing if (theirs := [x for x in s.samples if bears_witness(x)])}
    pairs = alike(witnesses) if witnesses else {}
    unsure = {pair: max(x.start_at for x in shared) for pair, shared in pairs.items() if len(shared) < WITNESSES}
    shared = pairs | (shared_before(unsure) if unsure else {})
    return [(pair[0], hit) for pair, samples in shared.items() for hit in shared_hits(pair[1], samples)]


def _found_typed_in(suspects: Iterable[_Suspect], now: datetime) -> list[tuple[UUID, Hit]]:
    typing = [
        s.user_id
        for s in suspects
        if Check.MANUAL_BURST in s.checks and any(x.recording == Recording.MANUAL for x in s.samples)
    ]
    entries = typed_in(typing, now) if typing else {}
    return [(user_id, hit) for user_id, theirs in entries.items() for hit in manual_hits(theirs)]


def _opened(
    found: Sequence[tuple[UUID, Hit]],
    competitions: Mapping[UUID, Sequence[Competition]],
    policies: Mapping[UUID, Policy],
    now: datetime,
) -> set[UUID]:
    """Of whom something that was found is new."""
    evidence = _by_flag(found, competitions, policies)
    involved = {competition.id: competition for user_id, _ in found for competition in competitions[user_id]}
    return _write_down(evidence, involved, now) if evidence else set()


def _by_flag(
    found: Iterable[tuple[UUID, Hit]],
    competitions: Mapping[UUID, Sequence[Competition]],
    policies: Mapping[UUID, Policy],
) -> dict[Key, list[FlagEvidence]]:
    """What was found, as evidence for the flags it belongs to, of every competition that asks for it and whose days it
    falls into."""
    hits: dict[UUID, list[Hit]] = {}
    for user_id, hit in found:
        hits.setdefault(user_id, []).append(hit)
    evidence: dict[Key, list[FlagEvidence]] = {}
    for user_id, theirs in hits.items():
        for hit in merged(theirs):
            for competition in competitions[user_id]:
                policy = policies[competition.id]
                on_hit, day = policy.on_hit(hit.check), _day_of(hit, competition)
                if on_hit != OnHit.OFF and day is not None:
                    key = competition.id, user_id, hit.check.value, day
                    evidence.setdefault(key, []).append(_evidence(hit, held=on_hit == OnHit.HOLD))
    return evidence


def _day_of(hit: Hit, competition: Competition) -> date | None:
    """The first of the competition's days that it is about; None for none. Where days are the participant's, it may be
    the one beside."""
    zone = competition.day_zone
    slack = _ONE_DAY if zone is None and hit.day is None else timedelta()
    first, last = hit.days_in(zone or competition.timezone)
    if last + slack < competition.starts_on or first - slack > competition.last_on:
        return None
    return min(max(first, competition.starts_on), competition.last_on)


def _evidence(hit: Hit, *, held: bool) -> FlagEvidence:
    return FlagEvidence(
        source_id=hit.source_id,
        source_name=hit.source_name,
        type=hit.type or "",
        start_at=hit.start_at,
        end_at=hit.end_at,
        day=hit.day,
        numbers=hit.numbers,
        text=hit.text,
        held=held,
        other_user_id=hit.other_user_id,
    )


def _write_down(
    evidence: Mapping[Key, Sequence[FlagEvidence]], competitions: Mapping[UUID, Competition], now: datetime
) -> set[UUID]:
    """Opens the flags that are not there and adds to those that are what says more than is known. Says of whom."""
    known = {_key(flag): flag for flag in _known_flags(evidence)}
    opened = {key: _flag(key, now) for key in evidence if key not in known}
    flags, added, events = known | opened, [], []
    for key, pieces in evidence.items():
        flag = flags[key]
        known_pieces = flag.evidence.all() if key in known else ()
        new = [piece for piece in pieces if not any(_says_as_much(old, piece) for old in known_pieces)]
        for piece in new:
            piece.flag, piece.found_at = flag, _found_at(flag, competitions[flag.competition_id], now)
            flag.held = flag.held or piece.held
        if new:
            added += new
            if flag.state != FlagState.DISQUALIFIED:
                flag.state = FlagState.OPEN
            kind = FlagEventKind.OPENED if key in opened else FlagEventKind.EVIDENCE
            events.append(FlagEvent(flag=flag, kind=kind, text=f"Pieces of evidence: {len(new)}.", at=new[0].found_at))
    Flag.objects.bulk_create(opened.values())
    changed = {piece.flag_id for piece in added} - {flag.id for flag in opened.values()}
    Flag.objects.bulk_update([flag for flag in known.values() if flag.id in changed], ["state", "held"])
    FlagEvidence.objects.bulk_create(added)
    FlagEvent.objects.bulk_create(events)
    _tell_opened(opened.values(), competitions, now)
    return {event.flag.user_id for event in events}


def _tell_opened(flags: Iterable[Flag], competitions: Mapping[UUID, Competition], now: datetime) -> None:
    """Of a day whose data is doubted its person hears once, whatever else is found of it."""
    news = [
        News(
            user_id=flag.user_id,
            data={
                "competition": competitions[flag.competition_id].name,
                "check": flag.check_name,
                "day": flag.day.isoformat(),
                "held": flag.held,
            },
            dedupe_key=f"flag_opened:{flag.competition_id}:{flag.day}",
            competition_id=flag.competition_id,
        )
        for flag in flags
    ]
    tell_news(event=Event.FLAG_OPENED, news=news, now=now)


def _known_flags(keys: Iterable[Key]) -> Iterable[Flag]:
    competition_ids, user_ids, checks, days = (set(column) for column in zip(*keys, strict=True))
    found = Flag.objects.filter(
        competition_id__in=competition_ids, user_id__in=user_ids, check_name__in=checks, day__in=days
    )
    return found.prefetch_related("evidence")


def _key(flag: Flag) -> Key:
    return flag.competition_id, flag.user_id, flag.check_name, flag.day


def _flag(key: Key, now: datetime) -> Flag:
    competition_id, user_id, check, day = key
    return Flag(competition_id=competition_id, user_id=user_id, check_name=check, day=day, opened_at=now)


def _says_as_much(old: FlagEvidence, new: FlagEvidence) -> bool:
    """Whether the new piece is about no more data than the old one and says nothing much worse of it."""
    if _about(old) != _about(new) or (new.held and not old.held):
        return False
    if old.start_at and old.end_at and new.start_at and new.end_at:
        covered = old.start_at <= new.start_at and new.end_at <= old.end_at
    else:
        covered = old.day == new.day
    return covered and bool(new.numbers["seen"] <= old.numbers["seen"] * _TOLD_AGAIN)


def _about(piece: FlagEvidence) -> tuple[int | None, str, str, UUID | None, str]:
    return piece.source_id, piece.source_name, piece.type, piece.other_user_id, piece.numbers["unit"]


def _found_at(flag: Flag, competition: Competition, now: datetime) -> datetime:
    """By the order in which the person was locked: whoever decided before has not seen it. And while the competition
    still takes data, as it does, even if others in the same transaction arrived after that."""
    unseen = max(now, flag.decided_at + _TICK) if flag.decided_at else now
    return min(unseen, competition.closes_at - _TICK)
