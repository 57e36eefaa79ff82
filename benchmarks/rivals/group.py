"""The rival of the hub: what the Channels documentation teaches. Each socket joins its boards' groups, and whoever
changes a board sends the frame, rendered once, to the group."""

import json
import os
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
_django = get_asgi_application()  # loads the apps; everything below needs them

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path

from accounts.services.people import admit_person
from accounts.tokens import InvalidToken, verify_token


def rival_group(competition_id: str) -> str:
    return f"rival.{UUID(competition_id).hex}"


class GroupConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        token = parse_qs(self.scope["query_string"].decode()).get("token", [""])[0]
        try:
            person = await database_sync_to_async(lambda: admit_person(verify_token(token)))()
        except InvalidToken:
            person = None
        if person is None:
            await self.close(code=4401)
            return
        self.groups_joined = [rival_group(self.scope["url_route"]["kwargs"]["competition_id"])]
        await self.channel_layer.group_add(self.groups_joined[0], self.channel_name)
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        message = json.loads(text_data or "{}")
        if message.get("type") == "subscribe":
            self.groups_joined.append(rival_group(message["competitionId"]))
            await self.channel_layer.group_add(self.groups_joined[-1], self.channel_name)

    async def disconnect(self, code: int) -> None:
        for group in getattr(self, "groups_joined", []):
            await self.channel_layer.group_discard(group, self.channel_name)

    async def board_frame(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


# re_path's types know views only; Channels routes ASGI applications with it.
_sockets = [re_path(r"^ws/leaderboard/(?P<competition_id>[^/]+)/?$", GroupConsumer.as_asgi())]  # type: ignore[arg-type]  # as said above
application = ProtocolTypeRouter({"http": _django, "websocket": URLRouter(_sockets)})  # type: ignore[arg-type]  # as said above
