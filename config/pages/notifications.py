"""What the person was told, and how they want to hear of things."""

from collections.abc import Mapping
from datetime import time
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from accounts.api.notifications import PhoneBody, PhoneCodeBody, PreferencesBody
from accounts.channels.numbers import parse_number
from accounts.messages import shown
from accounts.models import Phone, User
from accounts.notices import Channel, Event
from accounts.queries import notifications_of
from accounts.services import preferences
from config.core.api import checked, uuid_of
from config.core.errors import Refusal, as_refusal
from config.core.limits import CODES, take_token
from config.pages.doors import for_participants
from config.pages.forms import PageForm, text
from config.pages.words import moment_in_words, place_in_words

PAGE_SIZE = 30

EVENTS: Mapping[Event, str] = {
    Event.JOINED: "You have joined a competition",
    Event.STARTS_SOON: "It starts soon",
    Event.STARTED: "It has started",
    Event.OVERTAKEN: "Somebody has overtaken you",
    Event.STREAK_AT_RISK: "Your streak is about to break",
    Event.GRACE_ENDS: "The last hours for late data",
    Event.PROVISIONAL_RESULT: "It is over, the result is provisional",
    Event.FINAL_RESULT: "The result is final",
    Event.CANCELLED: "It was cancelled",
    Event.PRIZE_SENT: "Your prize is on its way",
    Event.PRIZE_WAITING: "Your prize waits for an account",
    Event.FLAG_OPENED: "Somebody looks at your data",
    Event.FLAG_DECIDED: "It was decided about your data",
    Event.CORRECTION: "Your score was corrected",
    Event.CONSENT_NEEDED: "A connected app needs your consent again",
    Event.EXPORT_READY: "Your data is ready to download",
}
CHANNELS: Mapping[Channel, str] = {
    Channel.IN_APP: "Here",
    Channel.EMAIL: "Mail",
    Channel.PUSH: "Push",
    Channel.SMS: "SMS",
}


class RhythmForm(PageForm):
    quiet_from = text("Quiet from", type="time")
    quiet_until = text("Quiet until", type="time")
    digest_at = text("All mail in one letter a day, at", "Leave it empty for mail at once.", type="time")


class PhoneForm(PageForm):
    number = text("Mobile number", "With its country’s code.", type="tel", autocomplete="tel", placeholder="+49 151 …")


class CodeForm(PageForm):
    code = text("Code", inputmode="numeric", autocomplete="one-time-code", maxlength=16)


# --- The list ---


@for_participants
def notifications_view(request: HttpRequest, person: User) -> HttpResponse:
    now, zone = timezone.now(), person.timezone or "UTC"
    page = _number(request.GET.get("page", ""))
    start = (page - 1) * PAGE_SIZE
    found = list(notifications_of(person.id)[start : start + PAGE_SIZE + 1])
    listed = found[:PAGE_SIZE]
    rows = [
        {
            "id": notification.id,
            "title": words.title,
            "body": words.body,
            "url": words.url.removeprefix(settings.PUBLIC_URL),  # on the host where they are
            "at": moment_in_words(notification.created_at, zone, now),
            "unread": notification.read_at is None,
        }
        for notification, words in zip(listed, shown(listed, person.language, person.timezone), strict=True)
    ]
    context = {
        "here": "notifications",
        "rows": rows,
        "any_unread": any(row["unread"] for row in rows),
        "before": page - 1,
        "after": page + 1 if len(found) > PAGE_SIZE else 0,
    }
    return render(request, "pages/notifications.html", context)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 5 and int(text) else 1


@for_participants
def read_view(request: HttpRequest, person: User) -> HttpResponse:
    """One of them, or all."""
    if request.method == "POST":
        named = request.POST.get("id")
        ids = [uuid_of(named)] if named else None
        preferences.read_notifications(user_id=person.id, ids=ids, now=timezone.now())
    return HttpResponseRedirect(reverse("notifications"))


# --- The settings ---


@for_participants
def settings_view(request: HttpRequest, person: User) -> HttpResponse:
    if request.method != "POST":
        return _settings(request, person)
    form = RhythmForm(request.POST)
    try:
        rhythm = checked(PreferencesBody, {name: value or None for name, value in form.typed.items()})
        preferences.change_preferences(user_id=person.id, choices=_changed(request.POST, person), rhythm=rhythm)
    except (Refusal, ValidationError) as error:
        return _settings(request, person, rhythm=form, refusal=as_refusal(error))
    messages.success(request, "Kept. You will hear from us that way.")
    return HttpResponseRedirect(reverse("notification-settings"))


def _changed(sent: QueryDict, person: User) -> preferences.Choices:
    """What stands otherwise in the form than before: what nobody touched goes on following the defaults."""
    return {
        event: {channel: not wanted for channel, wanted in channels.items() if (f"{event}:{channel}" in sent) != wanted}
        for event, channels in preferences.channels_chosen(person.id).items()
    }


def _settings(
    request: HttpRequest,
    person: User,
    *,
    rhythm: PageForm | None = None,
    phone: PageForm | None = None,
    refusal: Refusal | None = None,
) -> HttpResponse:
    if refusal is not None:
        (rhythm or phone or PageForm()).refuse(refusal)
    number = Phone.objects.filter(user=person).first()
    waits = number is not None and number.verified_at is None
    sent = request.POST if rhythm is not None else None
    context = {
        "here": "notifications",
        "person": person,
        "channels": CHANNELS.values(),
        "events": _events(person, sent),
        "rhythm": rhythm or RhythmForm(initial=_written(vars(preferences.rhythm_of(person.id)))),
        "place": place_in_words(person.timezone),
        "number": number,
        "is_theirs": number is not None and not waits,
        "waits": waits and not isinstance(phone, PhoneForm),
        "phone": phone or (CodeForm() if waits else PhoneForm()),
    }
    return render(
        request, "pages/notification_settings.html", context, status=refusal.status if refusal else HTTPStatus.OK
    )


def _events(person: User, sent: QueryDict | None) -> list[dict[str, Any]]:
    """Each with a box for every channel, as it is chosen or, after a complaint, as it was sent."""
    return [
        {
            "name": event.value,
            "says": EVENTS[event],
            "boxes": [
                {
                    "name": f"{event}:{channel}",
                    "title": CHANNELS[channel],
                    "on": wanted if sent is None else f"{event}:{channel}" in sent,
                }
                for channel, wanted in channels.items()
            ],
        }
        for event, channels in preferences.channels_chosen(person.id).items()
    ]


def _written(times: Mapping[str, time | None]) -> dict[str, str]:
    return {name: f"{at:%H:%M}" if at else "" for name, at in times.items()}


# --- The phone ---


@for_participants
def phone_view(request: HttpRequest, person: User) -> HttpResponse:
    """Takes a number, its code, or the wish to be without; ``do`` says which."""
    if request.method != "POST":
        return HttpResponseRedirect(reverse("notification-settings"))
    now, do = timezone.now(), request.POST.get("do")
    form = CodeForm(request.POST) if do == "verify" else PhoneForm(request.POST)
    try:
        if do == "remove":
            preferences.remove_phone(user_id=person.id)
            messages.success(request, "We have forgotten your number.")
        elif do == "verify":
            code = checked(PhoneCodeBody, form.typed)["code"]
            preferences.verify_phone(user_id=person.id, code=code, now=now)
            messages.success(request, "This number is yours. Choose what you want to hear by SMS.")
        else:
            number = parse_number(checked(PhoneBody, form.typed)["number"])
            take_token(CODES, f"caller:{person.id}")
            preferences.ask_for_phone(user_id=person.id, number=number, now=now)
            messages.success(request, "We have sent a code to your phone.")
    except (Refusal, ValidationError) as error:
        return _settings(request, person, phone=form, refusal=as_refusal(error))
    return HttpResponseRedirect(f"{reverse('notification-settings')}#phone")
