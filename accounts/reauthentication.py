"""Proof that it is still the same person in front of the panel, asked for before money moves.

A view asks first thing after it knows that the person may be here at all:

    if elsewhere := confirmation_first(request, now):
        return elsewhere
    form = StepForm(request.POST or kept_answers(request))
"""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.urls import reverse

from accounts.codes import authenticator_of
from accounts.models import User

FRESH_FOR = timedelta(minutes=10)

_PASSWORD_AT, _CODE_AT, _UNSENT = "password_at", "code_at", "unsent"


def note_password(request: HttpRequest, now: datetime) -> None:
    """The person has just given their password."""
    request.session[_PASSWORD_AT] = now.timestamp()


def has_given_password(request: HttpRequest) -> bool:
    """Whether they gave it at the panel's door in this session, however long ago. The participants' pages open sessions
    too, whose password was counted by other limits: those prove nothing here."""
    return _PASSWORD_AT in request.session


def note_code(request: HttpRequest, now: datetime) -> None:
    """The person has just given a one-time code."""
    request.session[_CODE_AT] = now.timestamp()


def has_proven(request: HttpRequest, now: datetime) -> bool:
    """Whether they gave their password within the last ten minutes in this session, and a code if they have codes."""
    assert isinstance(request.user, User)
    asked = [_PASSWORD_AT, _CODE_AT] if authenticator_of(request.user) else [_PASSWORD_AT]
    since = (now - FRESH_FOR).timestamp()
    return all(request.session.get(moment, 0) > since for moment in asked)


def confirmation_first(request: HttpRequest, now: datetime) -> HttpResponseRedirect | None:
    """The way to the page that asks for the proof, if it is needed; from there it goes back to this address. What was
    sent is not lost: `kept_answers` has it then."""
    if has_proven(request, now):
        return None
    if request.method == "POST":
        messages.warning(request, "Nothing was done: more than ten minutes have passed since you last confirmed.")
        answers = request.POST.copy()
        answers.pop("csrfmiddlewaretoken", None)
        request.session[_UNSENT] = [request.path, answers.urlencode()]
    return HttpResponseRedirect(f"{reverse('admin:confirm')}?{urlencode({'next': request.get_full_path()})}")


def kept_answers(request: HttpRequest) -> QueryDict | None:
    """What was sent to this address when the proof was missing, once."""
    path, answers = request.session.get(_UNSENT, ("", ""))
    if path != request.path:
        return None
    del request.session[_UNSENT]
    return QueryDict(answers)
