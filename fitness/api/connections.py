"""Clouds that people connect. Coming back from one, and what one reports, are outside of the interface that clients
use: a browser brings nothing but the state, a cloud nothing but its secret."""

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import PersonOnly, caller
from config.core.api import APIView, success
from config.core.errors import Invalid, NotFound, TooLarge, Unauthenticated
from config.core.json import UnreadableJSON, load_json
from fitness.clouds import KNOWN, google_health, offered
from fitness.clouds.base import ConnectionState
from fitness.models import Connection
from fitness.services.connections import close_connection, finish_connection, note_news, open_connection

MOST_NOTIFICATION_BYTES = 256 * 1024
MOST_STATE = 200
MOST_CODE = 2000


class ConnectionAnswer(serializers.Serializer[Any]):
    provider = serializers.ChoiceField(list(KNOWN))
    name = serializers.CharField(help_text="As people know it.")
    state = serializers.ChoiceField([state.value for state in ConnectionState])
    connected_at = serializers.DateTimeField(allow_null=True)
    last_fetched_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField(allow_null=True, help_text="A sentence.")


class AuthorizeAnswer(serializers.Serializer[Any]):
    authorize_url = serializers.CharField(help_text="Open it in a browser within ten minutes; it works once.")


class ConnectionsView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=ConnectionAnswer(many=True))
    def get(self, request: Request) -> Response:
        """The clouds that this server can fetch from, and how the caller's connections to them stand."""
        mine = {one.provider: one for one in Connection.objects.filter(user=caller(request))}
        shown = [name for name in KNOWN if name in mine or name in offered()]
        return success([_connection_answer(name, mine.get(name)) for name in shown])


class ConnectionView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(request=None, responses={201: AuthorizeAnswer, 409: None})
    def post(self, request: Request, provider: str) -> Response:
        """Begins to connect a cloud: the caller has to consent at the address that is answered."""
        url = open_connection(user_id=caller(request).id, provider_name=provider, now=timezone.now())
        return success({"authorize_url": url}, status=201, message="Open authorize_url in a browser to consent.")

    @extend_schema(request=None, responses={200: ConnectionAnswer})
    def delete(self, request: Request, provider: str) -> Response:
        """Disconnects a cloud and takes the permission back there. What was fetched stays."""
        close_connection(user_id=caller(request).id, provider_name=provider)
        mine = Connection.objects.get(user=caller(request), provider=provider)
        return success(_connection_answer(provider, mine), message="The cloud is disconnected.")


class CallbackView(APIView):
    """Where a cloud sends the browser back to. It answers with a sentence and never redirects."""

    http_method_names = ["get"]  # no HEAD: looking would use up the state
    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        state, code = query.get("state", ""), query.get("code", "")
        if not 0 < len(state) <= MOST_STATE or len(code) > MOST_CODE or not code.isprintable():
            raise Invalid("This address is for coming back from a cloud; start in the app.")
        back = finish_connection(state=state, code=code, error=query.get("error", ""), now=timezone.now())
        text = (
            f"{back.title} was not connected, because you did not allow it. You can close this page."
            if back.connected_to is None
            else f"{back.title} is connected to the account of {back.connected_to} here. Is that not you? Then take the"
            f" permission back at {back.title}. Activity will arrive in a minute; you can close this page."
        )
        answer = HttpResponse(text, content_type="text/plain; charset=utf-8")
        answer["Cache-Control"] = "no-store"
        return answer


class GoogleHealthWebhookView(APIView):
    """https://developers.google.com/health/webhooks: what is not answered with a 204 comes again for seven days."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(exclude=True)
    def post(self, request: Request) -> HttpResponse:
        if google_health.NAME not in offered():
            raise NotFound
        if not google_health.is_google_health(request.headers.get("Authorization", "")):
            raise Unauthenticated("This webhook is not from Google Health.")
        body = _notification(request._request.body)
        if google_health.is_verification(body):
            return HttpResponse(status=201)
        notifications = google_health.read_notifications(body)
        note_news(provider_name=google_health.NAME, notifications=notifications, now=timezone.now())
        return HttpResponse(status=204)


def _notification(body: bytes) -> Any:
    if len(body) > MOST_NOTIFICATION_BYTES:
        raise TooLarge(f"A notification may have {MOST_NOTIFICATION_BYTES} bytes at most.")
    try:
        return load_json(body)
    except UnreadableJSON as error:
        raise Invalid(str(error)) from None


def _connection_answer(name: str, connection: Connection | None) -> dict[str, Any]:
    state = ConnectionState(connection.state) if connection else ConnectionState.DISCONNECTED
    connected = connection if state != ConnectionState.DISCONNECTED else None
    return {
        "provider": name,
        "name": KNOWN[name].title,
        "state": state,
        "connected_at": connected.connected_at if connected else None,
        "last_fetched_at": connection.last_fetched_at if connection else None,
        "last_error": (connection.last_error if connection else "") or None,
    }
