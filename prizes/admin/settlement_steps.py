"""What a treasurer does around paying prizes: when each step can be taken, what it will do, and doing it."""

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from competitions.rules import Status
from config.core.errors import Invalid, Refusal
from config.core.tables import SHOWN, Table, counted, day_and_time
from leaderboards.settling import settle_competition
from prizes import pots, queries
from prizes.actors import Actor
from prizes.admin.overview import Overview
from prizes.admin.steps import Answers, Effect, Step, Verdict, blocked, done, ready
from prizes.forms import AmountForm, FundingForm
from prizes.models import Entry, Posting
from prizes.services.audit import record_action
from prizes.services.distribution import award_prizes
from prizes.services.fees import refund_competition
from prizes.services.funding import confirm_funding, pay_organiser

# --- Settle ---


def _can_settle(facts: Overview, treasurer: User) -> Verdict:
    if facts.standings is not None:
        return done(f"Final since {day_and_time(facts.standings.frozen_at)}, number {facts.standings.number}.")
    if facts.why_not_final:
        return blocked(facts.why_not_final)
    return ready("The competition is over; its standings can be frozen.")


def _what_settling_does(facts: Overview, treasurer: User) -> Effect:
    people = counted(facts.standings_table.total, "participant", "participants")
    sentences = [
        f"The standings of {people} become final as they are below.",
        "Nothing that arrives later changes them; only a correction does, with a name and a reason.",
    ]
    return Effect(sentences, facts.standings_table)


def _settle(facts: Overview, actor: Actor, answers: Answers) -> str:
    final = settle_competition(competition_id=facts.competition.id, now=timezone.now())
    _record("settle", facts, actor, answers, number=final.number)
    return f"The standings are final, number {final.number}."


def _record(action: str, facts: Overview, actor: Actor, answers: Answers, **details: object) -> None:
    record_action(
        competition_id=facts.competition.id,
        action=action,
        actor=actor,
        reason=answers["reason"],
        now=timezone.now(),
        **details,
    )


# --- Calculate ---


def _can_calculate(facts: Overview, treasurer: User) -> Verdict:
    if facts.current is not None:
        made, version = day_and_time(facts.current.created_at), facts.current.version
        return done(f"Calculated on {made}, version {version}: {facts.in_all}.")
    if facts.why_not_final:
        return blocked(facts.why_not_final)
    if isinstance(facts.calculation, Refusal):
        return blocked(facts.calculation.message)
    corrected = "The standings were corrected since the last time. " if facts.award_list else ""
    return ready(f"{corrected}It comes to {facts.in_all}.")


def _what_calculating_does(facts: Overview, treasurer: User) -> Effect:
    sentences = [f"Written down, for these standings for good: {facts.in_all}.", "No money moves."]
    return Effect([*sentences, facts.kept], facts.awards_table)


def _calculate(facts: Overview, actor: Actor, answers: Answers) -> str:
    told = facts.in_all
    listed = award_prizes(competition_id=facts.competition.id, actor=actor, now=timezone.now())
    _record("calculate", facts, actor, answers, version=listed.version, total_minor=facts.total_minor)
    return f"Written down as version {listed.version}: {told}."


# --- Confirm funding ---


def _can_fund(facts: Overview, treasurer: User) -> Verdict:
    if facts.status is Status.CANCELLED:
        return blocked("The competition is cancelled; nobody wins anything.")
    if facts.missing_minor:
        confirmed, missing = facts.money(facts.competition.funded_minor), facts.money(facts.missing_minor)
        return ready(f"{confirmed} of {facts.money(facts.promised_minor)} confirmed; {missing} missing.")
    if facts.current is None and isinstance(facts.calculation, Refusal):
        return ready(facts.calculation.message)
    if facts.has_released and facts.distribution is None:
        return ready("The standings were corrected after prizes went out; the new ones may need more.")
    if not facts.promised_minor:
        return done("No pool is promised.")
    return done(f"All of the promised {facts.money(facts.promised_minor)} is confirmed.")


def _what_funding_does(facts: Overview, treasurer: User) -> Effect:
    competition = facts.competition
    promised, confirmed = facts.money(facts.promised_minor), facts.money(competition.funded_minor)
    sentences = [
        f"Promised: {promised}. Confirmed so far: {confirmed}. Missing: {facts.money(facts.missing_minor)}.",
        "You say that the amount below has arrived for the pool. It cannot be taken back.",
    ]
    if not facts.missing_minor:
        sentences.append("Nothing is missing: whatever you confirm comes on top of the promised pool.")
    reserve = f"{competition.owner} has {facts.money(facts.reserve_minor)} left over from earlier competitions."
    return Effect(
        sentences,
        notes=[reserve] if facts.reserve_minor else [],
        background=facts.funding_table if facts.funding_table.rows else None,
    )


def _was_funded(facts: Overview, answers: Answers) -> str:
    """The same money again. Raises Invalid when the reference stands for another amount."""
    entry = Entry.objects.filter(key=f"funding:{facts.competition.id}:{answers['reference']}").first()
    if entry is None:
        return ""
    amount = Posting.objects.get(entry=entry, amount_minor__gt=0).amount_minor
    told = f"Under this reference {facts.money(amount)} was confirmed on {day_and_time(entry.created_at)}."
    if amount != answers["amount"]:
        raise Invalid(details={"reference": [told]})
    return told


def _fund(facts: Overview, actor: Actor, answers: Answers) -> str:
    competition = confirm_funding(
        competition_id=facts.competition.id,
        amount_minor=answers["amount"],
        reference=answers["reference"],
        from_reserve=answers["from_reserve"],
        reason=answers["reason"],
        actor=actor,
        now=timezone.now(),
    )
    confirmed, promised = facts.money(competition.funded_minor), facts.money(competition.prize_pool_minor)
    return f"{facts.money(answers['amount'])} confirmed; that makes {confirmed} of the promised {promised}."


# --- Refund ---


def _can_refund(facts: Overview, treasurer: User) -> Verdict:
    if facts.has_released:
        return blocked("The prizes are on their way, so the fees stay.")
    if facts.distribution is not None:
        return blocked("Somebody has asked for the prizes to be paid, so the fees stay.")
    if facts.status not in (Status.CANCELLED, Status.ENDED, Status.COMPLETED):
        return blocked("The competition is not over; cancelling it gives the fees back.")
    count, sum_minor = facts.refundable_sum
    if count:
        fees = counted(count, "entry fee", "entry fees")
        return ready(f"Instead of prizes: {fees}, {facts.money(sum_minor)} in all, go back.")
    if facts.held_minor:
        return ready(f"Instead of prizes: the pool of {facts.money(facts.held_minor)} goes back to its organiser.")
    return done("There is nothing to give back.")


def _what_refunding_does(facts: Overview, treasurer: User) -> Effect:
    """Rehearsed, for what becomes of the pool. Raises what refunding raises."""
    with transaction.atomic():
        refund_competition(competition_id=facts.competition.id, actor=Actor(treasurer), reason="", now=facts.now)
        kept_minor = queries.balance_minor(pots.pool(facts.competition.id, facts.competition.currency))
        transaction.set_rollback(True)
    count, sum_minor = facts.refundable_sum
    go_back = counted(count, "entry fee goes", "entry fees go")
    sentences = [f"{go_back} back to whoever paid, {facts.money(sum_minor)} in all. It cannot be taken back."]
    if facts.held_minor > kept_minor:
        pool = facts.money(facts.held_minor - kept_minor)
        sentences.append(f"Of what the pool holds, {pool} is owed to {facts.competition.owner} from then on.")
    if facts.status is not Status.CANCELLED:
        sentences.append("Nobody wins anything unless the pool is funded again.")
    if facts.current is not None and facts.current.fees_minor:
        sentences.append("The prizes were calculated with these fees; only a correction calculates them anew.")
    payments = facts.refundable.select_related("user").order_by("user__name", "id")
    rows = [(payment.user.name, facts.money(payment.amount_minor), payment.gateway) for payment in payments[:SHOWN]]
    return Effect(sentences, Table(("person", "amount", "gateway"), rows, frozenset({1}), total=count))


def _refund(facts: Overview, actor: Actor, answers: Answers) -> str:
    count = refund_competition(
        competition_id=facts.competition.id, actor=actor, reason=answers["reason"], now=timezone.now()
    )
    return f"{counted(count, 'refund is', 'refunds are')} on the way."


# --- Pay the organiser ---


def _can_pay_organiser(facts: Overview, treasurer: User) -> Verdict:
    organiser = facts.competition.owner
    if not facts.organiser_owed_minor:
        return done(f"{organiser} is owed nothing.")
    return ready(f"{organiser} is owed {facts.money(facts.organiser_owed_minor)}.")


def _what_paying_the_organiser_does(facts: Overview, treasurer: User) -> Effect:
    owed, organiser = facts.money(facts.organiser_owed_minor), facts.competition.owner
    sentences = [
        f"{organiser} is owed {owed}, from all competitions in {facts.competition.currency}.",
        "You say that the amount below has left the bank for them. It cannot be taken back.",
    ]
    return Effect(sentences)


def _organiser_was_paid(facts: Overview, answers: Answers) -> str:
    key = f"organiser:{facts.competition.owner_id}:{answers['reference']}"
    entry = Entry.objects.filter(key=key).first()
    return f"A payment with this reference was written down on {day_and_time(entry.created_at)}." if entry else ""


def _pay_organiser(facts: Overview, actor: Actor, answers: Answers) -> str:
    pay_organiser(
        competition_id=facts.competition.id,
        amount_minor=answers["amount"],
        reference=answers["reference"],
        actor=actor,
        reason=answers["reason"],
        now=timezone.now(),
    )
    return f"{facts.money(answers['amount'])} to {facts.competition.owner} counts as paid."


SETTLE = Step("settle", "Settle", _can_settle, _what_settling_does, _settle)
CALCULATE = Step("calculate", "Calculate", _can_calculate, _what_calculating_does, _calculate)
FUND = Step("fund", "Confirm funding", _can_fund, _what_funding_does, _fund, FundingForm, _was_funded)
REFUND = Step("refund", "Refund", _can_refund, _what_refunding_does, _refund)
PAY_ORGANISER = Step(
    "pay-organiser",
    "Pay organiser",
    _can_pay_organiser,
    _what_paying_the_organiser_does,
    _pay_organiser,
    AmountForm,
    _organiser_was_paid,
)
