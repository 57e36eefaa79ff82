from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.paths import person_named
from accounts.permissions import PersonOnly, caller
from accounts.queries import access_person
from competitions import queries as competitions
from competitions.models import Competition
from competitions.rules import Visibility
from config.core.api import APIView, PageQuery, body_of, paginated, query_of, success, uuid_of
from config.core.errors import NotFound, NotPosted
from config.core.limits import MONEY, throttles
from config.core.money import to_decimal
from prizes import queries
from prizes.actors import Actor
from prizes.api.permissions import TREASURER, TreasurerOnly, TreasurerOrKey, actor_of
from prizes.api.serializers import (
    CalculateBody,
    FundingAnswer,
    FundingBody,
    HistoryAnswer,
    PayoutAccountAnswer,
    PlanAnswer,
    PlanBody,
    PrizesAnswer,
    ReasonBody,
    StatementAnswer,
    TransactionAnswer,
    TransactionQuery,
    calculated,
    checked_body,
    distributed,
    document_of,
    minor_of,
    plan_on_wire,
    prize_of,
    transaction_of,
)
from prizes.calculation import calculate
from prizes.services.distribution import Distributed, approve_distribution, distribute_prizes
from prizes.services.funding import confirm_funding
from prizes.services.payouts import connect_payout_account
from prizes.services.plans import change_plan
from prizes.services.webhooks import receive_webhook
from prizes.statement import public_key_pem, signed_statement


class PlanView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=PlanAnswer)
    def get(self, request: Request, competition_id: str) -> Response:
        """How the competition's pool is divided, for everybody who may see it."""
        competition = competitions.access_competition(caller(request), uuid_of(competition_id))
        return success(self._shown(competition, queries.plan_document(competition.id)))

    @extend_schema(request=PlanBody, responses=PlanAnswer)
    def put(self, request: Request, competition_id: str) -> Response:
        """Replaces the plan; the owner and staff, until the start."""
        competition = competitions.access_competition_to_change(caller(request), uuid_of(competition_id))
        document = document_of(checked_body(request, PlanBody, competition), competition.currency)
        plan = change_plan(
            competition_id=competition.id, document=document, actor=Actor(caller(request)), now=timezone.now()
        )
        return success(self._shown(competition, plan.document))

    def _shown(self, competition: Competition, document: Any) -> dict[str, Any]:
        return plan_on_wire(document, competition.currency) | {"currency": competition.currency}


class CalculateView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(request=CalculateBody, responses=PrizesAnswer)
    def post(self, request: Request, competition_id: str) -> Response:
        """What the prizes would be; writes nothing."""
        competition = _competition_to_settle(request, competition_id)
        body = checked_body(request, CalculateBody, competition)
        promised = None
        if "prize_pool" in body:
            promised = minor_of(body["prize_pool"], competition.currency, "prize_pool")
        return success(calculated(calculate(competition, promised_minor=promised)))


def _competition_to_settle(request: Request, competition_id: str) -> Competition:
    """For its owner, staff who may change it, and treasurers. Raises NotFound, Forbidden."""
    person, named = caller(request), uuid_of(competition_id)
    if person.has_perm(TREASURER):
        return competitions.competition(named)
    return competitions.access_competition_to_change(person, named)


class DistributeView(APIView):
    permission_classes = [TreasurerOrKey]
    throttle_classes = throttles(MONEY)

    @extend_schema(request=ReasonBody, responses={200: PrizesAnswer, 202: PrizesAnswer})
    def post(self, request: Request, competition_id: str) -> Response:
        """Has the prizes paid, once. 202 while somebody else must approve, 409 until the standings are final."""
        done = distribute_prizes(
            competition_id=uuid_of(competition_id),
            actor=actor_of(request),
            reason=body_of(request, ReasonBody)["reason"],
            now=timezone.now(),
        )
        return _distributed(done)


class ApproveView(APIView):
    permission_classes = [TreasurerOnly]
    throttle_classes = throttles(MONEY)

    @extend_schema(request=ReasonBody, responses=PrizesAnswer)
    def post(self, request: Request, competition_id: str) -> Response:
        """A second treasurer's approval, never of the one who asked for the distribution."""
        done = approve_distribution(
            competition_id=uuid_of(competition_id),
            actor=actor_of(request),
            reason=body_of(request, ReasonBody)["reason"],
            now=timezone.now(),
        )
        return _distributed(done)


def _distributed(done: Distributed) -> Response:
    if done.waits_for_approval:
        return success(distributed(done), status=202, message="Another treasurer must approve this.")
    return success(distributed(done), message="The prizes are on their way.")


class FundingView(APIView):
    permission_classes = [TreasurerOnly]
    throttle_classes = throttles(MONEY)

    @extend_schema(request=FundingBody, responses=FundingAnswer)
    def post(self, request: Request, competition_id: str) -> Response:
        """Confirms that money for the pool is there. The same reference again changes nothing."""
        competition = competitions.competition(uuid_of(competition_id))
        body = checked_body(request, FundingBody, competition)
        funded = confirm_funding(
            competition_id=competition.id,
            amount_minor=minor_of(body["amount"], competition.currency, "amount"),
            reference=body["reference"],
            from_reserve=body["from_reserve"],
            actor=actor_of(request),
            reason=body["reason"],
            now=timezone.now(),
        )
        return success(
            {
                "prize_pool": to_decimal(funded.prize_pool_minor, funded.currency),
                "funded": to_decimal(funded.funded_minor, funded.currency),
                "currency": funded.currency,
                "prize_pool_funded": funded.prize_pool_funded,
            }
        )


class HistoryView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[PageQuery], responses=HistoryAnswer(many=True))
    def get(self, request: Request, user_id: str) -> Response:
        """A person's prizes, the latest first."""
        subject = access_person(caller(request), person_named(request, user_id))
        query, found = query_of(request, PageQuery), queries.prizes_of(subject.id)
        limit, offset = query["limit"], query["offset"]
        rows = [prize_of(entry) for entry in found[offset : offset + limit]]
        return paginated(request, rows, limit=limit, offset=offset, total=found.count())


class TransactionsView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[TransactionQuery], responses=TransactionAnswer(many=True))
    def get(self, request: Request, user_id: str) -> Response:
        """A person's entry fees, prizes and refunds, the latest first."""
        subject = access_person(caller(request), person_named(request, user_id))
        query, found = query_of(request, TransactionQuery), queries.transactions_of(subject.id)
        if "type" in query:
            found = found.filter(kind__in=[k for k, shown in queries.SHOWN_TO_PERSON.items() if shown == query["type"]])
        limit, offset = query["limit"], query["offset"]
        rows = [transaction_of(entry) for entry in found[offset : offset + limit]]
        return paginated(request, rows, limit=limit, offset=offset, total=found.count())


class PayoutAccountView(APIView):
    permission_classes = [PersonOnly]
    throttle_classes = throttles(MONEY)

    @extend_schema(request=None, responses=PayoutAccountAnswer)
    def post(self, request: Request) -> Response:
        """Where the caller's prizes go: connects an account at the gateway, or says that it is ready."""
        onboarding = connect_payout_account(user=caller(request), now=timezone.now())
        account = onboarding.account
        return success({"gateway": account.gateway, "ready": account.ready, "onboarding_url": onboarding.url or None})


class StatementView(APIView):
    permission_classes = [AllowAny]

    @extend_schema(responses=StatementAnswer)
    def get(self, request: Request, competition_id: str) -> Response:
        """The signed payout file: in full for the owner and staff, redacted for anybody if it is public."""
        competition = competitions.competition(uuid_of(competition_id))
        full = _may_see_all(request, competition)
        if not full and (competition.visibility != Visibility.PUBLIC or competition.published_at is None):
            raise NotFound("There is no public statement under this address.")
        award_list = queries.newest_award_list(competition.id)
        if award_list is None:
            raise NotFound("The prizes of this competition are not awarded yet.")
        return success(signed_statement(award_list, redacted=not full))


def _may_see_all(request: Request, competition: Competition) -> bool:
    if not request.user.is_authenticated:
        return False
    person = caller(request)
    return person.id == competition.owner_id or person.has_perm(TREASURER) or person.has_perm("prizes.view_transfer")


def statement_key_view(request: HttpRequest) -> HttpResponse:
    """The public key of statements, as PEM."""
    return HttpResponse(public_key_pem(), content_type="application/x-pem-file")


def sandbox_view(request: HttpRequest, reference: str) -> HttpResponse:
    """Where a real gateway would ask for a card."""
    if "sandbox" not in settings.GATEWAYS:
        raise NotFound
    return render(request, "prizes/sandbox.html", {"competition_id": queries.competition_paid_at(reference)})


@csrf_exempt  # a gateway has a signature instead
def webhook_view(request: HttpRequest, gateway: str) -> HttpResponse:
    if request.method != "POST":
        raise NotPosted
    headers = {name.lower(): value for name, value in request.headers.items()}
    receive_webhook(gateway_name=gateway, body=request.body, headers=headers, now=timezone.now())
    return HttpResponse(status=204)
