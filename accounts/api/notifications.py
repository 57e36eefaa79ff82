"""What people are told, and how they want to hear of it. Everybody sees and changes their own only."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.channels.numbers import parse_number
from accounts.messages import shown
from accounts.models import Device
from accounts.notices import CHOOSABLE, Channel, Event
from accounts.permissions import PersonOnly, caller
from accounts.queries import notifications_of, unread_count
from accounts.services import preferences
from config.core.api import APIView, PageQuery, body_of, paginated, query_of, success, uuid_of
from config.core.limits import CODES, throttles


class NotificationsQuery(PageQuery):
    unread = serializers.BooleanField(default=False, help_text="Only those that were not read.")


class NotificationAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    event = serializers.ChoiceField([event.value for event in Event])
    competition_id = serializers.UUIDField(allow_null=True)
    title = serializers.CharField()
    body = serializers.CharField()
    url = serializers.CharField()
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class ReadBody(serializers.Serializer[Any]):
    """Without ``ids``: all of them."""

    ids = serializers.ListField(child=serializers.UUIDField(), max_length=1000, required=False)


class UnreadAnswer(serializers.Serializer[Any]):
    unread_count = serializers.IntegerField()


class ChannelChoices(serializers.Serializer[Any]):
    in_app = serializers.BooleanField(required=False)
    email = serializers.BooleanField(required=False)
    push = serializers.BooleanField(required=False)
    sms = serializers.BooleanField(required=False)


class PreferencesBody(serializers.Serializer[Any]):
    """What is not named stays. ``events``: by event, by channel. Times of day are the person's own; null switches
    quiet hours or the digest off."""

    events = serializers.DictField(child=ChannelChoices(), required=False)
    quiet_from = serializers.TimeField(allow_null=True, required=False)
    quiet_until = serializers.TimeField(allow_null=True, required=False)
    digest_at = serializers.TimeField(allow_null=True, required=False)

    def validate_events(self, events: dict[str, Any]) -> dict[str, Any]:
        if unknown := sorted(set(events) - {event.value for event in CHOOSABLE}):
            raise serializers.ValidationError({name: ["There is no choice about this event."] for name in unknown})
        return events


class PreferencesAnswer(serializers.Serializer[Any]):
    events = serializers.DictField(child=ChannelChoices())
    quiet_from = serializers.TimeField(allow_null=True)
    quiet_until = serializers.TimeField(allow_null=True)
    digest_at = serializers.TimeField(allow_null=True)


class DeviceBody(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=4096)
    platform = serializers.ChoiceField(["android", "ios", "web"])


class DeviceAnswer(serializers.ModelSerializer[Device]):
    class Meta:
        model = Device
        fields = ("id", "platform", "added_at", "seen_at")


class PhoneBody(serializers.Serializer[Any]):
    number = serializers.CharField(max_length=32, help_text="With its country's code, such as +49 151 23456789.")


class PhoneCodeBody(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=16)


class PhoneAnswer(serializers.Serializer[Any]):
    number = serializers.CharField()
    verified_at = serializers.DateTimeField(allow_null=True)


class NotificationsView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(parameters=[NotificationsQuery], responses=NotificationAnswer(many=True))
    def get(self, request: Request) -> Response:
        """What the caller was told, the newest first; ``unread_count`` stands beside it."""
        person, query = caller(request), query_of(request, NotificationsQuery)
        found, limit, offset = notifications_of(person.id, unread_only=query["unread"]), query["limit"], query["offset"]
        page = list(found[offset : offset + limit])
        rows = [
            {
                "id": notification.id,
                "event": notification.event,
                "competition_id": notification.competition_id,
                "title": words.title,
                "body": words.body,
                "url": words.url,
                "created_at": notification.created_at,
                "read_at": notification.read_at,
            }
            for notification, words in zip(page, shown(page, person.language, person.timezone), strict=True)
        ]
        answer = paginated(request, rows, limit=limit, offset=offset, total=found.count())
        answer.data["unread_count"] = unread_count(person.id)
        return answer


class ReadView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(request=ReadBody, responses=UnreadAnswer)
    def post(self, request: Request) -> Response:
        """Marks notifications as read. What was read already, and what is not the caller's, changes nothing."""
        ids = body_of(request, ReadBody).get("ids")
        left = preferences.read_notifications(user_id=caller(request).id, ids=ids, now=timezone.now())
        return success({"unread_count": left})


class PreferencesView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=PreferencesAnswer)
    def get(self, request: Request) -> Response:
        return success(self._answer(request))

    @extend_schema(request=PreferencesBody, responses=PreferencesAnswer)
    def patch(self, request: Request) -> Response:
        person, body = caller(request), body_of(request, PreferencesBody)
        choices = {
            Event(event): {Channel(channel): wanted for channel, wanted in channels.items()}
            for event, channels in body.pop("events", {}).items()
        }
        preferences.change_preferences(user_id=person.id, choices=choices, rhythm=body)
        return success(self._answer(request))

    def _answer(self, request: Request) -> dict[str, Any]:
        user_id = caller(request).id
        return {"events": preferences.channels_chosen(user_id), **vars(preferences.rhythm_of(user_id))}


class DevicesView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=DeviceAnswer(many=True))
    def get(self, request: Request) -> Response:
        """The caller's devices that hear of news by push."""
        return success(DeviceAnswer(caller(request).devices.order_by("added_at", "id"), many=True).data)

    @extend_schema(request=DeviceBody, responses={200: DeviceAnswer, 201: DeviceAnswer})
    def post(self, request: Request) -> Response:
        """A device to send push messages to, by its Firebase token. 200: it was the caller's already."""
        body = body_of(request, DeviceBody)
        device, is_new = preferences.register_device(user_id=caller(request).id, now=timezone.now(), **body)
        return success(DeviceAnswer(device).data, status=201 if is_new else 200)


class DeviceView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses={200: None})
    def delete(self, request: Request, device_id: str) -> Response:
        preferences.remove_device(user_id=caller(request).id, device_id=uuid_of(device_id))
        return success(message="Removed.")


class PhoneView(APIView):
    permission_classes = [PersonOnly]
    throttle_classes = throttles(CODES, "PUT")

    @extend_schema(responses=PhoneAnswer)
    def get(self, request: Request) -> Response:
        """The caller's number; null without one."""
        phone = getattr(caller(request), "phone", None)
        return success(PhoneAnswer(phone).data if phone else {"number": None, "verified_at": None})

    @extend_schema(request=PhoneBody, responses={202: PhoneAnswer})
    def put(self, request: Request) -> Response:
        """Sends a code to the number; it is used once the code has come back."""
        number = parse_number(body_of(request, PhoneBody)["number"])
        phone = preferences.ask_for_phone(user_id=caller(request).id, number=number, now=timezone.now())
        return success(PhoneAnswer(phone).data, status=202, message="We have sent a code to this number.")

    @extend_schema(responses={200: None})
    def delete(self, request: Request) -> Response:
        preferences.remove_phone(user_id=caller(request).id)
        return success(message="Removed.")


class PhoneCodeView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(request=PhoneCodeBody, responses=PhoneAnswer)
    def post(self, request: Request) -> Response:
        """The code that was sent to the number."""
        code = body_of(request, PhoneCodeBody)["code"]
        phone = preferences.verify_phone(user_id=caller(request).id, code=code.strip(), now=timezone.now())
        return success(PhoneAnswer(phone).data)
