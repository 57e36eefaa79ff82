"""The way in after the password: a one-time code, or setting them up; and the proof that is asked for later on.

These pages are open to staff who have given their password, before anything else of the panel is.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import segno
from django import forms
from django.contrib import messages
from django.contrib.admin import site
from django.contrib.auth import authenticate, logout
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_otp import login as verify_session

from accounts.codes import (
    RECOVERY_CODES,
    authenticator_of,
    enrol_authenticator,
    forget_codes,
    is_verified,
    new_authenticator,
    recovery_codes_left,
    renew_recovery_codes,
    verify_code,
)
from accounts.lockout import count_wrong_code, lockout_of, refuse_locked_out
from accounts.models import User
from accounts.reauthentication import FRESH_FOR, confirmation_first, has_given_password, note_code, note_password
from config.core.audit import note, note_person
from config.core.errors import Invalid, Refusal, TooMany, Unavailable

_KEY = "panel.authenticator"
_KEY_SECONDS = 3600

View = Callable[..., HttpResponse]


class WrongPassword(Invalid):
    message = "This is not your password."


# --- Forms ---


class CodeForm(forms.Form):
    """``recovery``: whether a recovery code is asked for, which has letters too."""

    code = forms.CharField(max_length=20)

    def __init__(self, *args: Any, recovery: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shown = self.fields["code"]
        if recovery:
            shown.label, shown.help_text = "Recovery code", "Eight letters and digits; each one works once."
            shown.widget.attrs |= {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
        else:
            shown.label, shown.help_text = "One-time code", "The six digits that your authenticator app shows now."
            shown.widget.attrs |= {"autocomplete": "one-time-code", "inputmode": "numeric"}
        _focus_first(self)


class ConfirmForm(CodeForm):
    """The password, and a code of those who have codes."""

    password = forms.CharField(
        strip=False, max_length=4096, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )
    field_order = ("password", "code")

    def __init__(self, *args: Any, with_code: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not with_code:
            del self.fields["code"]
        _focus_first(self)


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, help_text="How you know that it is them who ask. Kept in the audit trail.")


def _focus_first(form: forms.Form) -> None:
    for position, field in enumerate(form.fields.values()):
        field.widget.attrs.pop("autofocus", None)
        if position == 0:
            field.widget.attrs["autofocus"] = True


def _complain(form: forms.Form, field: str, refusal: Refusal) -> None:
    form.add_error(field, refusal.message)
    for other in form.fields.values():
        other.widget.attrs.pop("autofocus", None)
    form.fields[field].widget.attrs["autofocus"] = True


# --- Where to ---


def _next(request: HttpRequest) -> str:
    """Where the person was going, if that is a page of this site."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    here = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(asked, allowed_hosts=here, require_https=request.is_secure())
    return asked if safe else reverse("admin:index")


def _to(name: str, request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse(f'admin:{name}')}?{urlencode({'next': _next(request)})}")


def next_step(request: HttpRequest) -> HttpResponseRedirect:
    """What comes after the password."""
    assert isinstance(request.user, User)
    return _to("code" if authenticator_of(request.user) else "enrol", request)


def _after_password(view: View) -> View:
    """For staff who have given their password, whether or not a code."""

    @sensitive_post_parameters()
    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        person = request.user
        if not (isinstance(person, User) and person.is_active and person.is_staff and has_given_password(request)):
            return redirect_to_login(_next(request), reverse("admin:login"))
        note_person(person, request)
        return view(request, person, *args, **kwargs)

    return guarded


def _page(request: HttpRequest, name: str, title: str, **context: Any) -> HttpResponse:
    common = {**site.each_context(request), "title": title, "next": _next(request)}
    return render(request, f"panel/sign_in/{name}.html", common | context)


def refused(request: HttpRequest, refusal: TooMany | Unavailable) -> HttpResponse:
    """The sentence of a lockout or a limit, as a page."""
    response = _page(request, "refused", "Not now", refusal=refusal)
    response.status_code = refusal.status
    response["Retry-After"] = str(refusal.retry_after)
    return response


def locked_out(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """What axes shows in place of the page, when the last wrong guess was one too many and from then on."""
    return refused(request, lockout_of(request, credentials))


# --- Codes ---


def _accepted(request: HttpRequest, person: User, form: forms.Form) -> Any:
    """The device whose code was typed, or None after a complaint in the form. Raises LockedOut."""
    refuse_locked_out(request, person)
    try:
        return verify_code(person=person, code=form.cleaned_data["code"])
    except TooMany as refusal:
        _complain(form, "code", refusal)
    except Invalid as refusal:
        count_wrong_code(request, person)
        _complain(form, "code", refusal)
    return None


def _come_in(request: HttpRequest, device: Any) -> None:
    request.session.cycle_key()
    verify_session(request, device)
    note_code(request, timezone.now())


@_after_password
def code_view(request: HttpRequest, person: User) -> HttpResponse:
    if is_verified(person):
        return HttpResponseRedirect(_next(request))
    if not authenticator_of(person):
        return _to("enrol", request)
    recovery = "recovery" in request.GET
    form = CodeForm(request.POST or None, recovery=recovery)
    try:
        if request.method == "POST" and form.is_valid() and (device := _accepted(request, person, form)):
            _come_in(request, device)
            return HttpResponseRedirect(_next(request))
    except TooMany as refusal:
        return refused(request, refusal)
    return _page(request, "code", "One-time code", form=form, recovery=recovery)


@_after_password
def enrol_view(request: HttpRequest, person: User) -> HttpResponse:
    """Who has an authenticator replaces it. The key is not kept before its first code has come back: it travels with
    the form, signed."""
    replacing = authenticator_of(person) is not None
    if replacing and not is_verified(person):
        return _to("code", request)
    if elsewhere := confirmation_first(request, timezone.now()):
        return elsewhere
    signed = request.POST.get("key", "")
    key = _key_in(signed, person)
    form = CodeForm(request.POST if key else None)
    if key and form.is_valid():
        try:
            device, codes = enrol_authenticator(
                person=person, key=key, code=form.cleaned_data["code"], replacing=replacing
            )
        except Refusal as refusal:
            _complain(form, "code", refusal)
        else:
            _come_in(request, device)
            return _page(request, "recovery_codes", "Recovery codes", codes=codes)
    device = new_authenticator(person=person, key=key)
    return _page(
        request,
        "enrol",
        "Replace your authenticator" if replacing else "Set up one-time codes",
        form=form,
        replacing=replacing,
        key=signed if key else signing.dumps([str(person.id), device.key], salt=_KEY),
        address=device.config_url,
        picture=segno.make(device.config_url, error="m").svg_data_uri(scale=4, border=4, light="#fff"),
        secret=_in_fours(device.config_url),
    )


def _key_in(signed: str, person: User) -> str:
    """The key that this person was shown, or nothing."""
    try:
        person_id, key = signing.loads(signed, salt=_KEY, max_age=_KEY_SECONDS)
    except signing.BadSignature:
        return ""
    return str(key) if person_id == str(person.id) else ""


def _in_fours(address: str) -> str:
    """The secret of an otpauth address, as somebody types it."""
    secret = address.partition("secret=")[2].partition("&")[0]
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def codes_view(request: HttpRequest) -> HttpResponse:
    """One's own codes."""
    person = request.user
    assert isinstance(person, User)
    if request.method == "POST":
        if elsewhere := confirmation_first(request, timezone.now()):
            return elsewhere
        if not authenticator_of(person):
            return _to("enrol", request)
        return _page(request, "recovery_codes", "Recovery codes", codes=renew_recovery_codes(person=person))
    device, left = authenticator_of(person), recovery_codes_left(person)
    return _page(request, "codes", "One-time codes", device=device, left=left, of=RECOVERY_CODES)


def reset_codes_view(request: HttpRequest, person_id: UUID) -> HttpResponse:
    """A superuser lets somebody else set up their codes anew."""
    if not request.user.is_superuser or request.user.pk == person_id:
        raise PermissionDenied
    person = get_object_or_404(User, id=person_id, is_staff=True)
    if elsewhere := confirmation_first(request, timezone.now()):
        return elsewhere
    form = ReasonForm(request.POST or None)
    back = reverse("admin:accounts_user_change", args=[person.id])
    if request.method == "POST" and form.is_valid():
        note(reason=form.cleaned_data["reason"])
        had = forget_codes(person=person)
        said = "sets up one-time codes anew at the next log-in." if had else "had no codes."
        messages.success(request, f"{person.name} {said}")
        return HttpResponseRedirect(back)
    return _page(request, "reset", f"Reset the codes of {person.name}", form=form, person=person, back=back)


# --- The proof ---


@_after_password
def confirm_view(request: HttpRequest, person: User) -> HttpResponse:
    """Asks for the password again, and for a code of those who have codes."""
    with_code = authenticator_of(person) is not None
    if with_code and not is_verified(person):
        return _to("code", request)
    recovery = "recovery" in request.GET
    form = ConfirmForm(request.POST or None, with_code=with_code, recovery=recovery)
    try:
        if request.method == "POST" and form.is_valid() and _proven(request, person, form):
            return HttpResponseRedirect(_next(request))
    except (TooMany, Unavailable) as refusal:
        return refused(request, refusal)
    minutes = int(FRESH_FOR.total_seconds() // 60)
    return _page(
        request, "confirm", "Confirm that it is you", form=form, recovery=recovery, with_code=with_code, minutes=minutes
    )


def _proven(request: HttpRequest, person: User, form: forms.Form) -> bool:
    """Raises LockedOut, TooMany."""
    password = form.cleaned_data["password"]
    if authenticate(request, username=person.get_username(), password=password) != person:
        _complain(form, "password", WrongPassword())
        return False
    if "code" in form.fields:
        if not _accepted(request, person, form):
            return False
        note_code(request, timezone.now())
    note_password(request, timezone.now())
    return True


@_after_password
@require_POST
def leave_view(request: HttpRequest, person: User) -> HttpResponse:
    """For who came no further than here; `admin:logout` is for those who are in."""
    logout(request)
    return HttpResponseRedirect(reverse("admin:login"))


urlpatterns: list[URLPattern] = [
    path("sign-in/code/", code_view, name="code"),
    path("sign-in/enrol/", enrol_view, name="enrol"),
    path("sign-in/confirm/", confirm_view, name="confirm"),
    path("sign-in/leave/", leave_view, name="leave"),
    path("sign-in/codes/", site.admin_view(codes_view), name="codes"),
    path("sign-in/reset/<uuid:person_id>/", site.admin_view(reset_codes_view), name="reset_codes"),
]
