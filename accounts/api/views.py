"""Accounts of this server: register, log in, stay logged in, log out."""

from contextlib import suppress

from django.conf import settings
from django.contrib.auth import authenticate
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.api.serializers import LogInBody, PasswordBody, RefreshBody, TokenPair
from accounts.models import IdentityProvider, User
from accounts.permissions import PersonOnly, caller
from accounts.services.log_ins import begin_log_in, renew_log_in
from accounts.services.passwords import change_password
from config.core.api import APIView, body_of, success
from config.core.errors import NotFound, Unauthenticated
from config.core.request import address_of


class LocalAccountsView(APIView):
    """Open to anyone, and limited where passwords are checked; a 404 where accounts live at Supabase alone."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
        require_local_accounts()


def require_local_accounts() -> None:
    """Raises NotFound."""
    if IdentityProvider.LOCAL not in settings.AUTH_PROVIDERS:
        raise NotFound("This server has no accounts of its own; sign in with Supabase.")


def token_pair(refresh: RefreshToken) -> dict[str, object]:
    lifetime = api_settings.ACCESS_TOKEN_LIFETIME
    return {
        "access": str(refresh.access_token),
        "refresh": str(refresh),
        "expires_in": int(lifetime.total_seconds()),
    }


class TokenView(LocalAccountsView):
    @extend_schema(request=LogInBody, responses={200: TokenPair, 401: None, 404: None})
    def post(self, request: Request) -> Response:
        """Log in with e-mail and password."""
        body = body_of(request, LogInBody)
        person = authenticate(request._request, username=body["email"], password=body["password"])
        if not isinstance(person, User):
            raise Unauthenticated("E-mail or password is wrong.")
        return success(token_pair(begin_log_in(person=person)))


class TokenRefreshView(LocalAccountsView):
    @extend_schema(request=RefreshBody, responses={200: TokenPair, 401: None, 404: None})
    def post(self, request: Request) -> Response:
        """A new pair for a refresh token, which is used up by that."""
        body = body_of(request, RefreshBody)
        return success(token_pair(renew_log_in(refresh=body["refresh"])))


class LogOutView(LocalAccountsView):
    @extend_schema(request=RefreshBody, responses={200: None, 404: None})
    def post(self, request: Request) -> Response:
        """Uses up the refresh token; the access token ends by itself. A second time changes nothing."""
        body = body_of(request, RefreshBody)
        with suppress(TokenError):
            RefreshToken(body["refresh"]).blacklist()
        return success(message="Logged out.")


class PasswordView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(request=PasswordBody, responses={200: TokenPair, 404: None, 409: None})
    def post(self, request: Request) -> Response:
        """Another password for one that is known. Every log-in ends; here is a new one."""
        require_local_accounts()
        body = body_of(request, PasswordBody)
        person = change_password(
            user_id=caller(request).id,
            current=body["current"],
            password=body["password"],
            address=address_of(request._request),
            now=timezone.now(),
        )
        return success(token_pair(begin_log_in(person=person)), message="Your password was changed.")
