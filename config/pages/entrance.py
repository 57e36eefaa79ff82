"""The way in and out: what this is, an account, a session. Accounts are those of this server; others come with tokens,
which open no page."""

from contextlib import suppress
from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from rest_framework.exceptions import ValidationError

from accounts.api.serializers import LogInBody, ProfileChanges, RegisterBody
from accounts.api.views import require_local_accounts
from accounts.models import IdentityProvider, User
from accounts.services.people import EmailTaken, change_profile, register_person
from competitions.queries import public_competitions
from config.core.api import checked
from config.core.errors import Invalid, Refusal, TooMany, as_refusal, error_headers
from config.core.limits import REGISTRATIONS, take_token
from config.core.request import address_block, address_of
from config.pages.doors import OnlySent, for_anybody, next_of, person_of
from config.pages.forms import PageForm, Typed, choice, countries, hidden, secret, text
from leaderboards.pages import described, for_people

BACKEND = "accounts.backends.LimitedModelBackend"
_SHOWN = 6


class SignInForm(PageForm):
    email = text("E-mail", type="email", autocomplete="username", inputmode="email", maxlength=254)
    password = secret("Password", autocomplete="current-password")


class SignUpForm(PageForm):
    name = text("Your name", "This is what others see on the boards.", autocomplete="name", maxlength=80)
    email = text("E-mail", "Only you see it.", type="email", autocomplete="username", inputmode="email", maxlength=254)
    password = secret("Password", "Ten characters or more.", autocomplete="new-password")
    country = choice("Country (if you like)", countries, autocomplete="country")
    timezone = hidden(**{"data-guess": "timezone"})


def home_view(request: HttpRequest) -> HttpResponse:
    """What this is, for strangers; whoever is signed in has their day."""
    if person_of(request) is not None:
        return HttpResponseRedirect(reverse("my-day"))
    now = timezone.now()
    boards = [described(competition, now) for competition in public_competitions()[:_SHOWN]]
    return render(request, "pages/home.html", {"boards": boards, "local": _has_accounts()})


@sensitive_post_parameters()
@for_anybody
def sign_up_view(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _door(request, "sign_up", SignUpForm())
    require_local_accounts()
    form = SignUpForm(request.POST)
    try:
        take_token(REGISTRATIONS, address_block(address_of(request)))
        newcomer = register_person(**checked(RegisterBody, form.typed), now=timezone.now())
    except EmailTaken as refusal:
        return _door(request, "sign_up", form, Invalid(details={"email": [refusal.message]}))
    except (Refusal, ValidationError) as error:
        return _door(request, "sign_up", form, as_refusal(error))
    _keep_where_they_are(newcomer, form.typed)
    login(request, newcomer, backend=BACKEND)
    messages.success(request, f"Welcome, {newcomer.name}! Find a competition and join in.")
    return HttpResponseRedirect(next_of(request))


def _keep_where_they_are(newcomer: User, typed: Typed) -> None:
    """As far as it is a place at all: the browser guessed the one, the other is optional."""
    for field in ("timezone", "country"):
        if typed[field]:
            with suppress(ValidationError):
                changes = checked(ProfileChanges, {field: typed[field]}, partial=True)
                change_profile(user_id=newcomer.id, changes=changes)


@sensitive_post_parameters()
@for_anybody
def sign_in_view(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        if person_of(request) is not None:
            return HttpResponseRedirect(next_of(request))
        return _door(request, "sign_in", SignInForm())
    require_local_accounts()
    form = SignInForm(request.POST)
    try:
        typed = checked(LogInBody, form.typed)
        person = authenticate(request, username=typed["email"], password=typed["password"])
    except (Refusal, ValidationError) as error:
        return _door(request, "sign_in", form, as_refusal(error))
    if not isinstance(person, User):
        return _door(request, "sign_in", form, Invalid("E-mail or password is wrong."))
    login(request, person, backend=BACKEND)
    return HttpResponseRedirect(next_of(request))


@for_people
def sign_out_view(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        raise OnlySent
    logout(request)
    return HttpResponseRedirect(reverse("home"))


def _has_accounts() -> bool:
    return IdentityProvider.LOCAL in settings.AUTH_PROVIDERS


def _door(request: HttpRequest, name: str, form: PageForm, refusal: Refusal | None = None) -> HttpResponse:
    if refusal is not None:
        form.refuse(_in_minutes(refusal))
    context = {"form": form, "next": next_of(request), "local": _has_accounts()}
    status = HTTPStatus.OK if refusal is None else refusal.status
    response = render(request, f"pages/{name}.html", context, status=status)
    for header, value in error_headers(refusal).items() if refusal else ():
        response[header] = value
    return response


def _in_minutes(refusal: Refusal) -> Refusal:
    if not isinstance(refusal, TooMany):
        return refusal
    seconds = refusal.retry_after or 60
    wait = f"{seconds} seconds" if seconds < 100 else f"{round(seconds / 60)} minutes"
    return TooMany(f"That was too often. Wait for {wait}, then try again.")
