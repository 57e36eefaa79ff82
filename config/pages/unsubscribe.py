"""Where the link at the end of a letter leads: to say no to such mail, or yes again, without signing in.

The link itself is the permission, and nothing that a browser sends along by itself is asked for; so it needs no form's
token, and mail programs can send it by themselves (RFC 8058: a POST of ``List-Unsubscribe=One-Click``).
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt

from accounts.unsubscribing import is_subscribed, resubscribe, subscriber, subscription_of, unsubscribe
from accounts.wording import about, language_of
from config.core.errors import WrongMethod
from leaderboards.pages import for_people


class NotTaken(WrongMethod):
    message = "This page is read, and its button is pressed."
    allow = "GET, HEAD, POST"


@csrf_exempt
@for_people
def unsubscribe_view(request: HttpRequest, token: str) -> HttpResponse:
    """GET says what the button will do, POST does it; a second time changes nothing."""
    if request.method not in ("GET", "HEAD", "POST"):
        raise NotTaken
    subscription = subscription_of(token)
    person = subscriber(subscription)
    if request.method == "POST":
        if "again" in request.POST:
            resubscribe(subscription=subscription)
        else:
            unsubscribe(subscription=subscription, now=timezone.now())
    language = language_of(person.language)
    with translation.override(language):
        context: dict[str, Any] = {
            "about": about(subscription.event) if subscription.event else "",
            "is_subscribed": is_subscribed(subscription),
            "done": request.method == "POST",
            "language": language,
        }
        response = render(request, "pages/unsubscribe.html", context)
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"  # the address is all that it takes
    return response
