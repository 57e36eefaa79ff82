"""The clouds that people can connect, by name."""

from functools import cache

from django.conf import settings

from config.core.circuit import CircuitState
from config.core.errors import Conflict, NotFound
from config.core.outgoing import breaker
from fitness.clouds.base import Provider
from fitness.clouds.google_fit import GoogleFit
from fitness.clouds.google_health import GoogleHealth
from fitness.clouds.web import CloudWeb

KNOWN: dict[str, type[GoogleHealth] | type[GoogleFit]] = {
    GoogleHealth.name: GoogleHealth,
    GoogleFit.name: GoogleFit,
}


@cache
def provider(name: str) -> Provider:
    """Whether or not it is offered: what was connected before is let go of properly."""
    cloud = KNOWN[name]
    web = CloudWeb(name=name, title=cloud.title, breaker=breaker(name), timeout_seconds=settings.CLOUD_TIMEOUT_SECONDS)
    return cloud(web)


def offered() -> list[str]:
    """Those that this server has credentials for."""
    return [name for name in KNOWN if getattr(settings, f"{name.upper()}_CLIENT_ID")]


def access_provider(name: str) -> Provider:
    """One that a person named. Raises NotFound, and Conflict for one that is not offered."""
    if name not in KNOWN:
        raise NotFound("There is no such cloud to connect.")
    if name not in offered():
        raise Conflict(f"This server is not set up for {KNOWN[name].title}.")
    return provider(name)


def circuits() -> dict[str, CircuitState]:
    return {name: breaker(name).state() for name in offered()}
