"""A password that was forgotten, one that is to be another, and an address that is the person's own. The end of a
mailed link is shown in a form, which posts it: looking at a link changes nothing, and mail programs look first."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from rest_framework.exceptions import ValidationError

from accounts.api.serializers import NewPasswordBody, PasswordBody, ResetBody, VerifyBody
from accounts.api.views import require_local_accounts
from accounts.models import User
from accounts.services.addresses import request_verification, verify_email
from accounts.services.passwords import change_password, request_password_reset, reset_password
from accounts.services.sessions import end_sessions
from config.core.api import checked
from config.core.errors import Refusal, as_refusal
from config.core.request import address_of
from config.pages.doors import for_anybody, for_participants, person_of
from config.pages.entrance import BACKEND
from config.pages.forms import PageForm, hidden, secret, text

_ADVICE = "Ten characters or more."


class EmailForm(PageForm):
    email = text("E-mail", type="email", autocomplete="username", inputmode="email", maxlength=254)


class ResetForm(PageForm):
    token = hidden()
    password = secret("New password", _ADVICE, autocomplete="new-password")


class VerifyForm(PageForm):
    token = hidden()


class ChangeForm(PageForm):
    current = secret("The password that you have", autocomplete="current-password")
    password = secret("New password", _ADVICE, autocomplete="new-password")


class PasswordForm(PageForm):
    password = secret("Your password", autocomplete="current-password")


@for_anybody
def forgot_password_view(request: HttpRequest) -> HttpResponse:
    require_local_accounts()

    def done(form: PageForm) -> HttpResponse:
        email = checked(ResetBody, form.typed)["email"]
        request_password_reset(email=email, address=address_of(request))
        return render(request, "pages/mail_sent.html", {"email": email})

    return _answer(request, EmailForm, "forgot_password", done)


@sensitive_post_parameters()
@for_anybody
def reset_password_view(request: HttpRequest, token: str = "") -> HttpResponse:
    require_local_accounts()

    def done(form: PageForm) -> HttpResponse:
        reset_password(**checked(NewPasswordBody, form.typed), now=timezone.now())
        messages.success(request, "Your new password is kept. Sign in with it.")
        return HttpResponseRedirect(reverse("sign-in"))

    return _answer(request, ResetForm, "reset_password", done, token=token)


@for_anybody
def verify_email_view(request: HttpRequest, token: str = "") -> HttpResponse:
    require_local_accounts()

    def done(form: PageForm) -> HttpResponse:
        verify_email(**checked(VerifyBody, form.typed), now=timezone.now())
        messages.success(request, "Thank you: mail reaches you at this address.")
        return HttpResponseRedirect(reverse("profile" if person_of(request) else "sign-in"))

    return _answer(request, VerifyForm, "verify_email", done, token=token)


@for_participants
def send_verification_view(request: HttpRequest, person: User) -> HttpResponse:
    if request.method == "POST":
        request_verification(user_id=person.id, address=address_of(request), now=timezone.now())
        messages.success(request, "A link is on its way to you.")
    return HttpResponseRedirect(reverse("profile"))


@sensitive_post_parameters()
@for_participants
def change_password_view(request: HttpRequest, person: User) -> HttpResponse:
    def done(form: PageForm) -> HttpResponse:
        changes, address = checked(PasswordBody, form.typed), address_of(request)
        changed = change_password(user_id=person.id, **changes, address=address, now=timezone.now())
        return _signed_in_anew(request, changed, "Your password is changed. Every other session has ended.")

    return _answer(request, ChangeForm, "change_password", done)


@sensitive_post_parameters()
@for_participants
def sign_out_everywhere_view(request: HttpRequest, person: User) -> HttpResponse:
    """After the password: whoever found a phone unlocked shall not lock its owner out."""

    def done(form: PageForm) -> HttpResponse:
        given, address = form.typed["password"], address_of(request)
        renewed = end_sessions(user_id=person.id, password=given, address=address, now=timezone.now())
        return _signed_in_anew(request, renewed, "Every other session has ended. You are signed in here.")

    return _answer(request, PasswordForm, "sign_out_everywhere", done)


def _signed_in_anew(request: HttpRequest, person: User, said: str) -> HttpResponse:
    login(request, person, backend=BACKEND)
    messages.success(request, said)
    return HttpResponseRedirect(reverse("profile"))


def _answer(
    request: HttpRequest,
    kind: type[PageForm],
    name: str,
    done: Callable[[PageForm], HttpResponse],
    **initial: Any,
) -> HttpResponse:
    """The form, or what comes of it; a refusal stands in it."""
    form = kind(request.POST) if request.method == "POST" else kind(initial=initial)
    status: int = HTTPStatus.OK
    if request.method == "POST":
        try:
            return done(form)
        except (Refusal, ValidationError) as error:
            refusal = as_refusal(error)
            assert refusal is not None
            form.refuse(refusal)
            status = refusal.status
    return render(request, f"pages/{name}.html", {"here": "profile", "form": form}, status=status)
