"""The person's own profile, what they connected, and what others see of somebody."""

from collections.abc import Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from rest_framework.exceptions import ValidationError

from accounts.api.pictures import picture_in
from accounts.api.serializers import ProfileChanges
from accounts.models import Export, IdentityProvider, User
from accounts.models.exports import UNFINISHED
from accounts.pictures.opening import FIELD
from accounts.queries import person as person_with
from accounts.rules import country_names
from accounts.services.passwords import require_password
from accounts.services.people import change_profile, erase_person
from accounts.services.pictures import change_picture, remove_picture
from config.core.api import checked, uuid_of
from config.core.clock import zone_names
from config.core.errors import Refusal, as_refusal
from config.core.limits import PICTURES, take_token
from config.core.request import address_of
from config.pages.doors import for_participants
from config.pages.forms import PageForm, choice, countries, text
from config.pages.passwords import PasswordForm
from config.pages.words import counted, moment_in_words
from config.people.exports import request_export
from config.people.handing_over import export_response
from config.people.profiles import profile_of
from fitness.clouds import KNOWN, offered
from fitness.clouds.base import ConnectionState
from fitness.models import Connection
from fitness.services.connections import close_connection, open_connection
from leaderboards.words import distance_in_words


def zones() -> list[Any]:
    """By part of the world, and those alone that are a place."""
    places = sorted(name for name in zone_names() if "/" in name and not name.startswith(_NO_PLACES))
    parts = groupby(places, key=lambda name: name.partition("/")[0])
    grouped = [
        (part, [(name, name.partition("/")[2].replace("_", " ").replace("/", ", ")) for name in names])
        for part, names in parts
    ]
    return [("", "UTC"), *grouped]


_NO_PLACES = ("Etc/", "SystemV/", "US/", "Brazil/", "Canada/", "Chile/", "Mexico/")


def languages() -> list[tuple[str, str]]:
    return [("", "As the site has it"), *settings.LANGUAGES]


_FIELDS = ("name", "bio", "country", "timezone", "language")


class ProfileForm(PageForm):
    name = text("Name", "What others see on the boards.", autocomplete="name", maxlength=80)
    bio = text("About you", "Others see it too. 500 letters at most.", widget=forms.Textarea, maxlength=500, rows=3)
    country = choice("Country", countries, autocomplete="country")
    timezone = choice("Time zone", zones, "Your midnight ends your day.")
    language = choice("Language of messages", languages)


@for_participants
def profile_view(request: HttpRequest, person: User) -> HttpResponse:
    if request.method != "POST":
        return _profile(request, person, ProfileForm(initial={name: getattr(person, name) for name in _FIELDS}))
    form = ProfileForm(request.POST)
    try:
        change_profile(user_id=person.id, changes=checked(ProfileChanges, form.typed))
    except (Refusal, ValidationError) as error:
        refusal = as_refusal(error)
        assert refusal is not None
        form.refuse(refusal)
        return _profile(request, person, form, status=refusal.status)
    messages.success(request, "Kept.")
    return HttpResponseRedirect(reverse("profile"))


@for_participants
def picture_view(request: HttpRequest, person: User) -> HttpResponse:
    """Takes a picture, or takes it away; ``do`` says which."""
    if request.method == "POST":
        try:
            said = _change_picture(request, person)
        except Refusal as refusal:
            form = ProfileForm(initial={name: getattr(person, name) for name in _FIELDS})
            complaints = [each for texts in (refusal.details or {}).values() for each in texts]
            refused = complaints or [refusal.message]
            return _profile(request, person, form, status=refusal.status, picture_refused=refused)
        messages.success(request, said)
    return HttpResponseRedirect(reverse("profile"))


def _change_picture(request: HttpRequest, person: User) -> str:
    now = timezone.now()
    if request.POST.get("do") == "remove":
        remove_picture(user_id=person.id, now=now)
        return "Your picture is removed."
    take_token(PICTURES, f"caller:{person.id}")
    change_picture(user_id=person.id, picture=picture_in(request), now=now)
    return "This is your picture now."


def _profile(
    request: HttpRequest,
    person: User,
    form: PageForm,
    *,
    status: int = HTTPStatus.OK,
    picture_refused: Sequence[str] = (),
) -> HttpResponse:
    if person.timezone and person.timezone not in dict(_flat(zones())):  # an old name of a place: it stays choosable
        form.fields["timezone"].widget.choices = [*zones(), (person.timezone, person.timezone)]
    context = {
        "here": "profile",
        "person": person,
        "form": form,
        "profile": _in_words(profile_of(person, private=True)),
        "picture_field": FIELD,
        "picture_refused": picture_refused,
        "clouds": _clouds(person),
        "local": person.identity_provider == IdentityProvider.LOCAL,
    }
    return render(request, "pages/profile.html", context, status=status)


def _flat(choices: Sequence[Any]) -> list[tuple[str, str]]:
    return [pair for name, inner in choices for pair in (inner if isinstance(inner, list) else [(name, inner)])]


def _clouds(person: User) -> list[dict[str, Any]]:
    """Those that this server fetches from, and how the person's connections to them stand."""
    mine = {one.provider: one for one in Connection.objects.filter(user=person)}
    return [
        {
            "provider": name,
            "name": KNOWN[name].title,
            "state": ConnectionState(mine[name].state) if name in mine else ConnectionState.DISCONNECTED,
            "connected": name in mine and mine[name].state != ConnectionState.DISCONNECTED,
            "error": mine[name].last_error if name in mine else "",
        }
        for name in KNOWN
        if name in mine or name in offered()
    ]


def _in_words(profile: dict[str, Any]) -> dict[str, Any]:
    return {
        **profile,
        "country_name": country_names().get(profile["country"], ""),
        "steps": counted(profile["total_steps"], "step", "steps"),
        "distance": distance_in_words(profile["total_distance"]),
        "won": counted(profile["competitions_won"], "competition", "competitions"),
        "prizes": counted(profile["total_prizes"], "prize", "prizes"),
    }


@for_participants
def source_view(request: HttpRequest, person: User, provider: str) -> HttpResponse:
    """Connects a cloud, which asks for consent on a page of its own, or lets go of it; ``do`` says which."""
    if request.method != "POST":
        return HttpResponseRedirect(reverse("profile"))
    if request.POST.get("do") == "disconnect":
        close_connection(user_id=person.id, provider_name=provider)
        messages.success(request, f"{KNOWN[provider].title} is disconnected. What was fetched stays.")
        return HttpResponseRedirect(reverse("profile"))
    url = open_connection(user_id=person.id, provider_name=provider, now=timezone.now())
    context = {"here": "profile", "title": KNOWN[provider].title, "url": url}
    return render(request, "pages/consent.html", context)


@for_participants
def data_view(request: HttpRequest, person: User) -> HttpResponse:
    """Asks for everything about the person as a file, and shows how far it is."""
    now, zone = timezone.now(), person.timezone or "UTC"
    if request.method == "POST":
        request_export(user_id=person.id, now=now)
        return HttpResponseRedirect(reverse("my-data"))
    export = Export.objects.filter(user=person).first()
    context = {
        "here": "profile",
        "export": export,
        "being_written": export is not None and export.state in UNFINISHED,
        "until": moment_in_words(export.expires_at, zone, now) if export and export.expires_at else "",
        "local": person.identity_provider == IdentityProvider.LOCAL,
    }
    return render(request, "pages/my_data.html", context)


@for_participants
def data_file_view(request: HttpRequest, person: User) -> HttpResponseBase:
    return export_response(request, user_id=person.id, now=timezone.now())


@sensitive_post_parameters()
@for_participants
def erase_view(request: HttpRequest, person: User) -> HttpResponse:
    """Forgets the person for good, after their password."""
    form = PasswordForm(request.POST if request.method == "POST" else None)
    status: int = HTTPStatus.OK
    if request.method == "POST":
        try:
            given, address = form.typed["password"], address_of(request)
            require_password(user_id=person.id, password=given, field="password", address=address)
            erase_person(user_id=person.id, now=timezone.now())
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            logout(request)
            messages.success(request, "Everything about you was forgotten. Farewell!")
            return HttpResponseRedirect(reverse("home"))
    return render(request, "pages/erase.html", {"here": "profile", "form": form}, status=status)


@for_participants
def person_view(request: HttpRequest, person: User, user_id: str) -> HttpResponse:
    """What others see of somebody."""
    shown = person_with(uuid_of(user_id))
    context = {"here": "", "profile": _in_words(profile_of(shown, private=False)), "own": shown.id == person.id}
    return render(request, "pages/person.html", context)
