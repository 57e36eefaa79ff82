"""The whole server as one ASGI application: HTTP to the front and past it to Django, sockets to the consumers."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
_django = get_asgi_application()  # loads the apps; everything below needs them

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402

from accounts.callers import recognised  # noqa: E402
from config.core.body_limit import BodyLimit  # noqa: E402
from config.core.front import Front  # noqa: E402
from config.routing import websocket_urlpatterns  # noqa: E402
from leaderboards.api.front import endpoints as leaderboard_endpoints  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": Front(BodyLimit(_django, settings.MAX_BODY_BYTES), leaderboard_endpoints, recognised),
        "websocket": URLRouter(websocket_urlpatterns),  # type: ignore[arg-type]
    }
)
