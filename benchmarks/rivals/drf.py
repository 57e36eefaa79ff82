"""The rival of the snapshot path and of grouped writes: the same addresses answered by Django and its REST framework
alone, with nothing in front of them."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_asgi_application()
