from django.urls import re_path

from leaderboards.consumers import LeaderboardConsumer

# re_path's types know views only; Channels routes ASGI applications with it.
websocket_urlpatterns = [
    re_path(r"^ws/leaderboard/(?P<competition_id>[^/]+)/?$", LeaderboardConsumer.as_asgi()),  # type: ignore[arg-type]  # Django's types know views only
]
