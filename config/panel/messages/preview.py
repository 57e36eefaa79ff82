"""How a message reads and looks, by any channel and in any language, about somebody who does not exist."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.channels.base import Letter, Push, Text
from accounts.gsm import LONGEST, gsm_length
from accounts.messages import Shown, digest_of, letter_of, push_of, shown, text_of
from accounts.models import User
from accounts.notices import Channel, Event
from competitions.admin.own import ORGANISE
from config.panel.messages.samples import sample_notification, sample_person

DIGEST = "digest"
_IN_A_DIGEST = (Event.STARTED, Event.OVERTAKEN, Event.PRIZE_SENT)
_CHANNELS = {
    Channel.EMAIL: "e-mail",
    Channel.PUSH: "push",
    Channel.SMS: "text message",
    Channel.IN_APP: "in the app",
}

_WHEN_DARK = "@media (prefers-color-scheme: dark)"
_SCHEMES = {"light": "not all", "dark": "all"}


class PreviewForm(forms.Form):
    event = forms.ChoiceField(
        choices=[*((event.value, event.value.replace("_", " ")) for event in Event), (DIGEST, "daily digest")]
    )
    language = forms.ChoiceField(choices=settings.LANGUAGES)
    channel = forms.ChoiceField(choices=[(channel.value, name) for channel, name in _CHANNELS.items()])


@dataclass(frozen=True)
class Preview:
    """One of these is there, as the channel has it."""

    letter: Letter | None = None
    push: Push | None = None
    text: Text | None = None
    shown: Shown | None = None

    @property
    def frames(self) -> Sequence[tuple[str, str]]:
        """The letter as a light and as a dark mail program shows it, whatever the reader's own screen is."""
        html = self.letter.html if self.letter else ""
        return [(scheme, html.replace(_WHEN_DARK, f"@media {when}")) for scheme, when in _SCHEMES.items()]

    @property
    def text_length(self) -> str:
        return f"{gsm_length(self.text.body)} of {LONGEST} signs" if self.text else ""


def may_preview(user: Any) -> bool:
    """Whoever answers people's questions about messages, and whoever runs competitions that cause them."""
    return bool(user.has_perm("accounts.view_notification") or user.has_perm(ORGANISE))


@require_safe
def preview_view(request: HttpRequest) -> HttpResponse:
    """A choice that there is not leads to the first one."""
    if not may_preview(request.user):
        raise PermissionDenied
    first = {"event": Event.OVERTAKEN.value, "language": settings.LANGUAGE_CODE, "channel": Channel.EMAIL.value}
    form = PreviewForm({**first, **request.GET.dict()})
    chosen = form.cleaned_data if form.is_valid() else first
    context = {
        **site.each_context(request),
        "title": "How messages read",
        "form": form,
        "preview": previewed(chosen["event"], chosen["language"], chosen["channel"], cast("User", request.user)),
        "schemes": list(_SCHEMES),
        "language": chosen["language"],
    }
    return TemplateResponse(request, "panel/messages/preview.html", context)


def previewed(event: str, language: str, channel: str, viewer: User) -> Preview:
    """A digest is a letter whatever is asked for."""
    now, person, reference = timezone.now(), sample_person(language), "preview"
    events: Sequence[Event] = _IN_A_DIGEST if event == DIGEST else [Event(event)]
    told = [sample_notification(each, person, rival=viewer, now=now) for each in events]
    if event == DIGEST:
        return Preview(letter=digest_of(told, person, reference=reference))
    match Channel(channel):
        case Channel.EMAIL:
            return Preview(letter=letter_of(told[0], person, reference=reference))
        case Channel.PUSH:
            return Preview(push=push_of(told[0], person, token="", reference=reference))
        case Channel.SMS:
            return Preview(text=text_of(told[0], person, number="", reference=reference))
        case Channel.IN_APP:
            return Preview(shown=shown(told, language, person.timezone)[0])
