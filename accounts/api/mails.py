"""What begins and ends with a mail: a forgotten password, and an address that is not verified."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.serializers import NewPasswordBody, ResetBody, VerifyBody
from accounts.api.views import LocalAccountsView, require_local_accounts
from accounts.permissions import PersonOnly, caller
from accounts.services.addresses import request_verification, verify_email
from accounts.services.passwords import request_password_reset, reset_password
from config.core.api import APIView, body_of, success
from config.core.request import address_of


class PasswordResetView(LocalAccountsView):
    @extend_schema(request=ResetBody, responses={202: None, 404: None})
    def post(self, request: Request) -> Response:
        """Has a link sent by which a new password can be set. The answer is the same whoever has an account here."""
        email = body_of(request, ResetBody)["email"]
        request_password_reset(email=email, address=address_of(request._request))
        return success(status=202, message="If there is an account with this e-mail, a link is on its way to it.")


class ResetConfirmView(LocalAccountsView):
    @extend_schema(request=NewPasswordBody, responses={200: None, 404: None})
    def post(self, request: Request) -> Response:
        """Sets the password of whoever has the link; it works once, and ends every log-in."""
        reset_password(**body_of(request, NewPasswordBody), now=timezone.now())
        return success(message="Your password was changed; log in with it.")


class VerifyView(LocalAccountsView):
    @extend_schema(request=VerifyBody, responses={200: None, 404: None})
    def post(self, request: Request) -> Response:
        """Verifies the e-mail of whoever has the link."""
        verify_email(**body_of(request, VerifyBody), now=timezone.now())
        return success(message="Your e-mail is verified.")


class VerificationView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(request=None, responses={202: None, 404: None, 409: None})
    def post(self, request: Request) -> Response:
        """Sends the link to one's own e-mail once more."""
        require_local_accounts()
        request_verification(user_id=caller(request).id, address=address_of(request._request), now=timezone.now())
        return success(status=202, message="A link is on its way to you.")
