"""Who may open a page, and what somebody who may not is shown."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User
from config.core.audit import note_person
from config.core.errors import Forbidden, WrongMethod, error_response
from config.core.request import note_caller
from leaderboards.pages import for_people, refusal_page, wants_a_page

View = Callable[..., HttpResponseBase]
PRIVATE = "private, no-store"


class NotTaken(WrongMethod):
    message = "This page is read, and its form is sent."
    allow = "GET, HEAD, POST"


class OnlySent(WrongMethod):
    message = "This is the address of a form, which is sent."
    allow = "POST"


def person_of(request: HttpRequest) -> User | None:
    """Who is signed in."""
    return request.user if isinstance(request.user, User) and request.user.is_active else None


def for_anybody(view: View) -> View:
    """A page with a form, whether or not somebody is signed in; refusals are shown as a page."""

    @for_people
    @wraps(view)
    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        _refuse_other_methods(request)
        return _private(view(request, *args, **kwargs))

    return opened


def for_participants(view: View) -> View:
    """For whoever is signed in, who comes as the second argument; a stranger signs in first, and then comes back."""

    @for_people
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        _refuse_other_methods(request)
        person = person_of(request)
        if person is None:
            first = f"{reverse('sign-in')}?{urlencode({'next': request.get_full_path()})}"
            return _private(HttpResponseRedirect(first))
        note_caller(request, person.id)
        note_person(person, request)
        return _private(view(request, person, *args, **kwargs))

    return guarded


def _refuse_other_methods(request: HttpRequest) -> None:
    if request.method not in ("GET", "HEAD", "POST"):
        raise NotTaken


def _private(response: HttpResponseBase) -> HttpResponseBase:
    response["Cache-Control"] = PRIVATE
    return response


def next_of(request: HttpRequest) -> str:
    """Where the person was going, if that is a path of this site; else their day."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    ours = asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None)
    return asked if ours else reverse("my-day")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """It happens to people who signed in in another window meanwhile."""
    refusal = Forbidden("The form has expired; load the page again.")
    return refusal_page(request, refusal) if wants_a_page(request) else error_response(request, refusal)
