"""The whole server as one ASGI application: HTTP to the front and past it to Django, sockets to the consumers."""

import os
import re

from django.core.asgi import get_asgi_application

from config.core.tracing import start_tracing, traced

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
start_tracing()  # before anything is wrapped that it follows
_apps = get_asgi_application()  # loads the apps; everything below needs them

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings

from accounts.callers import person_recognised, recognised, recognised_service
from accounts.pictures import opening as pictures
from config.core.body_limit import BodyLimit, Uploads
from config.core.front import Front
from config.routing import websocket_urlpatterns
from fitness.api.front import endpoints as fitness_endpoints
from leaderboards.api.front import endpoints as leaderboard_endpoints

_FORM_BYTES = 64 * 1024  # around the file in a form
_uploads = [
    Uploads(re.compile(path), field, max_bytes + _FORM_BYTES, person_recognised)
    for path, field, max_bytes in (
        (r"/api/v1/fitness/imports/?", "file", settings.MAX_IMPORT_BYTES),
        (r"/api/v1/users/[^/]+/avatar/?", pictures.FIELD, pictures.MOST_BYTES),
    )
]
_django = BodyLimit(_apps, settings.MAX_BODY_BYTES, _uploads)
front = Front(_django, [*leaderboard_endpoints, *fitness_endpoints], recognised, recognised_service)

application = ProtocolTypeRouter(
    {
        "http": traced(front),
        "websocket": URLRouter(websocket_urlpatterns),  # type: ignore[arg-type]  # routes of Channels, of which Django's types know nothing
    }
)
