"""Accounts of this server: register, log in, stay logged in, log out."""

from contextlib import suppress

from django.conf import settings
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.api.serializers import LogInBody, RefreshBody, TokenPair
from accounts.models import IdentityProvider, User
from config.core.api import APIView, body_of, success
from config.core.errors import NotFound, Unauthenticated


class LocalAccountsView(APIView):
    """Open to anyone, and limited where passwords are checked; a 404 where accounts live at Supabase alone."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
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
    @extend_schema(request=LogInBody, responses=TokenPair)
    def post(self, request: Request) -> Response:
        """Log in with e-mail and password."""
        body = body_of(request, LogInBody)
        person = authenticate(request._request, username=body["email"], password=body["password"])
        if not isinstance(person, User):
            raise Unauthenticated("E-mail or password is wrong.")
        return success(token_pair(RefreshToken.for_user(person)))


class TokenRefreshView(LocalAccountsView):
    @extend_schema(request=RefreshBody, responses=TokenPair)
    def post(self, request: Request) -> Response:
        """A new pair for a refresh token, which is used up by that."""
        body = body_of(request, RefreshBody)
        try:
            old = RefreshToken(body["refresh"])
            person = User.objects.get(id=old["sub"], is_active=True)
            # get_or_create's insert decides who is first, where a look would not
            _, used_up = old.blacklist()  # type: ignore[misc]
        except (TokenError, KeyError, ValidationError, User.DoesNotExist):
            used_up = False
        if not used_up:
            raise Unauthenticated("This refresh token is not valid any more; log in again.")
        return success(token_pair(RefreshToken.for_user(person)))


class LogOutView(LocalAccountsView):
    @extend_schema(request=RefreshBody, responses={200: None})
    def post(self, request: Request) -> Response:
        """Uses up the refresh token; the access token ends by itself. A second time changes nothing."""
        body = body_of(request, RefreshBody)
        with suppress(TokenError):
            RefreshToken(body["refresh"]).blacklist()
        return success(message="Logged out.")
