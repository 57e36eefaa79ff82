"""Where SendGrid and Twilio say what became of messages, and what people texted back. Whoever has no signature learns
nothing, and changes nothing."""

from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from accounts.channels import sendgrid_events, twilio_events
from accounts.channels.events import BadSignature
from accounts.services.outcomes import record_events
from config.core.errors import Forbidden, Invalid, NotFound, NotPosted, TooLarge
from config.core.json import UnreadableJSON, load_json

MOST_BYTES = 1024 * 1024
"""SendGrid sends some hundred kilobytes at once; a text has little more than a thousand characters."""
MOST_FIELDS = 200


@csrf_exempt  # the provider has a signature instead
def sendgrid_webhook_view(request: HttpRequest) -> HttpResponse:
    body = _posted(request, is_set_up=bool(settings.SENDGRID_WEBHOOK_KEY))
    now = timezone.now()
    try:
        sendgrid_events.verify(
            body=body,
            signature=request.headers.get(sendgrid_events.SIGNATURE, ""),
            timestamp=request.headers.get(sendgrid_events.TIMESTAMP, ""),
            key=settings.SENDGRID_WEBHOOK_KEY,
            now=now,
        )
        events = list(sendgrid_events.read_events(load_json(body)))
    except BadSignature:
        raise Forbidden("This webhook is not from SendGrid.") from None
    except UnreadableJSON as error:
        raise Invalid(str(error)) from None
    record_events(events=events, now=now)
    return HttpResponse(status=204)


@csrf_exempt
def twilio_webhook_view(request: HttpRequest) -> HttpResponse:
    """Answered with instructions to do nothing, which is what Twilio reads when somebody texted."""
    body = _posted(request, is_set_up=bool(settings.TWILIO_AUTH_TOKEN))
    form = _form(body)
    try:
        twilio_events.verify(
            url=f"{settings.PUBLIC_URL}{request.get_full_path()}",
            form=form,
            signature=request.headers.get(twilio_events.SIGNATURE, ""),
            token=settings.TWILIO_AUTH_TOKEN,
        )
    except BadSignature:
        raise Forbidden("This webhook is not from Twilio.") from None
    reference = sendgrid_events.reference_of(request.GET.get("reference"))
    record_events(events=twilio_events.read_events(reference, dict(form)), now=timezone.now())
    return HttpResponse("<Response></Response>", content_type="text/xml; charset=utf-8")


def _posted(request: HttpRequest, *, is_set_up: bool) -> bytes:
    if not is_set_up:
        raise NotFound
    if request.method != "POST":
        raise NotPosted
    body = request.body
    if len(body) > MOST_BYTES:
        raise TooLarge(f"A webhook may have {MOST_BYTES} bytes at most.")
    return body


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise Invalid("The body is no form.") from None
