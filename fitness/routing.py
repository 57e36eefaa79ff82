from django.urls import re_path

from fitness.consumers import FitnessConsumer

# re_path's types know views only; Channels routes ASGI applications with it.
websocket_urlpatterns = [re_path(r"^ws/fitness/?$", FitnessConsumer.as_asgi())]  # type: ignore[arg-type]  # Django's types know views only
