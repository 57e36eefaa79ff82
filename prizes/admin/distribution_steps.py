"""Paying the prizes, and the second treasurer's word. What the page announces is rehearsed: it is done and taken back,
so it is what will happen, to the last transfer."""

from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from config.core.errors import Refusal
from config.core.tables import SHOWN, Table, counted, day_and_time
from prizes.actors import Actor
from prizes.admin.overview import Overview
from prizes.admin.steps import Answers, Effect, Step, Verdict, blocked, done, ready
from prizes.gateways import gateway
from prizes.limits import EVERY_OTHER, above
from prizes.models import AwardList, PayoutAccount, Transfer, TransferState, TreasuryAction
from prizes.services.distribution import Distributed, FeesChanged, approve_distribution, distribute_prizes

# --- When ---


def _can_distribute(facts: Overview, treasurer: User) -> Verdict:
    if facts.distribution is not None:
        asked = f"{facts.who_asked} asked for it on {day_and_time(facts.distribution.requested_at)}"
        if facts.distribution.released_at is None:
            return done(f"{asked}; it waits for another treasurer's approval.")
        return done(f"{asked}. {_how_far(facts)}")
    if facts.why_not_final:
        return blocked(facts.why_not_final)
    return _unpayable(facts) or ready(f"Can go out: {facts.in_all}.")


def _how_far(facts: Overview) -> str:
    told = ", ".join(f"{count:,} {state}" for state, count in sorted(facts.prizes_by_state.items()))
    return f"Transfers: {told}." if told else "There was nothing to transfer."


def _unpayable(facts: Overview) -> Verdict | None:
    """Of corrected prizes only the rehearsal knows what they need: part of it is on its way already."""
    if facts.pool_minor is None:
        assert isinstance(facts.calculation, Refusal)
        return blocked(facts.calculation.message)
    if facts.current is not None and facts.current.fees_minor != facts.fees_minor:
        return blocked(FeesChanged.message)
    if above(settings.PAYOUT_CAP, facts.total_minor, facts.competition.currency):
        return blocked(f"{facts.money(facts.total_minor)} is more than PAYOUT_CAP allows for one competition.")
    held_minor = facts.held_minor + facts.pool_minor - facts.promised_minor  # the fees' part is in hand
    if not facts.has_released and held_minor < facts.pool_minor:
        held, needed = facts.money(held_minor), facts.money(facts.pool_minor)
        return blocked(f"The pool holds {held} of {needed}; confirm the rest first.")
    return None


def _can_approve(facts: Overview, treasurer: User) -> Verdict:
    distribution = facts.distribution
    if distribution is None:
        return blocked("Nothing waits for an approval.")
    if distribution.approved_by is not None and distribution.approved_at is not None:
        return done(f"{distribution.approved_by} approved on {day_and_time(distribution.approved_at)}.")
    if distribution.released_at is not None:
        return done("No approval was needed.")
    if distribution.requested_by_id == treasurer.id:
        return blocked("You asked for it, so somebody else must approve.")
    return _unpayable(facts) or ready(f"{facts.who_asked} asks for your approval: {facts.in_all}.")


# --- What ---


def _what_distributing_does(facts: Overview, treasurer: User) -> Effect:
    """Raises what distributing raises."""
    with transaction.atomic():
        outcome = distribute_prizes(competition_id=facts.competition.id, actor=Actor(treasurer), now=facts.now)
        effect = _announced(facts, outcome)
        transaction.set_rollback(True)
    return effect


def _what_approving_does(facts: Overview, treasurer: User) -> Effect:
    """Raises what approving raises."""
    assert facts.distribution is not None
    with transaction.atomic():
        outcome = approve_distribution(competition_id=facts.competition.id, actor=Actor(treasurer), now=facts.now)
        effect = _announced(facts, outcome)
        transaction.set_rollback(True)
    requests = TreasuryAction.objects.filter(competition=facts.competition.id, action="distribute")
    reason = requests.values_list("reason", flat=True).first()
    asked = f"{facts.who_asked} asked for it on {day_and_time(facts.distribution.requested_at)}"
    return Effect([f"{asked}: “{reason}”" if reason else f"{asked}.", *effect.sentences], effect.table, effect.notes)


def _announced(facts: Overview, outcome: Distributed) -> Effect:
    tell = _request if outcome.waits_for_approval else _release
    sentences, table = tell(facts, outcome)
    sentences = [*sentences, f"The pool holds {facts.money(facts.held_minor)} now.", facts.kept]
    return Effect(sentences, table, _hindrances(outcome.award_list))


def _request(facts: Overview, outcome: Distributed) -> tuple[Sequence[str], Table]:
    awards = list(outcome.award_list.awards.select_related("user"))
    limits, currency = settings.APPROVAL_OVER, outcome.award_list.currency
    limit = f"{limits.get(currency, limits.get(EVERY_OTHER)):,} {currency}"
    prizes = counted(len(awards), "prize", "prizes")
    total = facts.money(sum(award.amount_minor for award in awards))
    rows = [(award.rank, award.user.name, award.amount_minor) for award in awards]
    more = f"{prizes}, {total} in all: that is more than {limit}, so another treasurer must approve."
    return [more, "Nothing goes out before that."], _table(facts, rows)


def _release(facts: Overview, outcome: Distributed) -> tuple[Sequence[str], Table]:
    transfers = Transfer.objects.filter(award__award_list=outcome.award_list).select_related("user", "award")
    transfers = transfers.order_by("award_id")  # as in the standings
    rows = [(transfer.award.rank, transfer.user.name, transfer.amount_minor) for transfer in transfers]  # type: ignore[union-attr]  # a prize has an award
    go_out = counted(len(rows), "transfer goes", "transfers go")
    total = facts.money(sum(amount for _, _, amount in rows))
    sentences = [f"{go_out} out, {total} in all, by the gateway {settings.PAYMENT_GATEWAY}. It cannot be taken back."]
    if facts.has_released:
        sentences += _corrections(facts, outcome.award_list)
    if not outcome.distribution.needs_approval:
        sentences.append("No second treasurer needs to approve.")
    return sentences, _table(facts, rows)


def _corrections(facts: Overview, award_list: AwardList) -> list[str]:
    prizes = Transfer.objects.filter(competition=award_list.competition_id, award__isnull=False)
    withdrawn = prizes.filter(state=TransferState.CANCELLED, updated_at=facts.now).count()
    told = ["The standings were corrected: only what is not on its way already goes out."]
    if withdrawn:
        told.append(f"Withdrawn, because not sent yet: {counted(withdrawn, 'transfer', 'transfers')}.")
    return told


def _table(facts: Overview, rows: Sequence[tuple[int, str, int]]) -> Table:
    shown = [(rank, name, facts.money(amount)) for rank, name, amount in rows[:SHOWN]]
    return Table(("rank", "person", "amount"), shown, frozenset({0, 2}), total=len(rows))


def _hindrances(award_list: AwardList) -> list[str]:
    if not gateway(settings.PAYMENT_GATEWAY).needs_account:
        return ["Nothing is sent by itself: you pay each by hand and mark its transfer as paid."]
    connected = PayoutAccount.objects.filter(gateway=settings.PAYMENT_GATEWAY, ready=True)
    missing = award_list.awards.exclude(user__in=connected.values("user")).count()
    if not missing:
        return []
    return [f"{counted(missing, 'winner has', 'winners have')} no payout account yet; their money waits for that."]


# --- Doing it ---


def _distribute(facts: Overview, actor: Actor, answers: Answers) -> str:
    outcome = distribute_prizes(
        competition_id=facts.competition.id, actor=actor, reason=answers["reason"], now=timezone.now()
    )
    if outcome.waits_for_approval:
        return "Asked for. Nothing goes out before another treasurer approves."
    return _on_the_way(outcome)


def _approve(facts: Overview, actor: Actor, answers: Answers) -> str:
    outcome = approve_distribution(
        competition_id=facts.competition.id, actor=actor, reason=answers["reason"], now=timezone.now()
    )
    return f"Approved. {_on_the_way(outcome)}"


def _on_the_way(outcome: Distributed) -> str:
    count = Transfer.objects.filter(award__award_list=outcome.award_list).count()
    return f"{counted(count, 'transfer is', 'transfers are')} on the way; below is how far each is."


DISTRIBUTE = Step("distribute", "Distribute", _can_distribute, _what_distributing_does, _distribute)
APPROVE = Step("approve", "Approve", _can_approve, _what_approving_does, _approve)
