"""Sockets, and one answer for every path that has none."""

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import re_path

from fitness.routing import websocket_urlpatterns as fitness_patterns
from leaderboards.routing import websocket_urlpatterns as leaderboard_patterns


class NothingHere(AsyncWebsocketConsumer):
    channel_layer_alias = "none"  # nobody sends anything here, so Redis is not asked

    async def connect(self) -> None:
        await self.accept()
        await self.close(code=4404)


# re_path's types know views only; Channels routes ASGI applications with it.
websocket_urlpatterns = [*leaderboard_patterns, *fitness_patterns, re_path(r"", NothingHere.as_asgi())]  # type: ignore[arg-type]  # as said above
