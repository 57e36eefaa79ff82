"""Every door of the site, found from its own map: routes and their methods, sockets, and what is known of each.

The panel under /admin/ has a map of its own (tests/panel/test_crawl.py), made in the same way.
"""

from collections.abc import Iterator, Sequence
from inspect import unwrap
from typing import Any, NamedTuple

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from config.core.errors import nothing_here
from config.routing import websocket_urlpatterns

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Door(NamedTuple):
    method: str
    route: str
    """As Django writes it; of sockets as Channels does."""


def routes(under: Sequence[Any] | None = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each with its view, but for the panel's and for the end of the map, where there is nothing."""
    for found in get_resolver().url_patterns if under is None else under:
        pattern = str(found.pattern)
        route = prefix + (pattern.removeprefix("^") if prefix else pattern)
        if isinstance(found, URLResolver):
            if found.app_name != "admin":
                yield from routes(found.url_patterns, route)
        elif isinstance(found, URLPattern) and unwrap(found.callback) is not unwrap(nothing_here):
            yield route, found.callback


def methods_of(view: Any, asked: Any) -> set[str]:
    """Those that a view answers. A view of DRF's says so itself; the others are ``asked``."""
    if actions := getattr(view, "actions", None):
        return {method.upper() for method in actions} & set(METHODS)
    if (cls := getattr(view, "cls", None)) is not None:
        return {name for name in METHODS if hasattr(cls, name.lower()) and name.lower() in cls.http_method_names}
    return {name for name in METHODS if asked(name)}


def all_doors(addresses: dict[str, str]) -> set[Door]:
    """``addresses``: of each route one at which it can be asked."""
    client, found = Client(raise_request_exception=False), set()
    for route, view in routes():
        path = addresses.get(route)

        def answers(method: str, path: str | None = path) -> bool:
            return path is None or client.generic(method, path).status_code != 405

        found |= {Door(method, route) for method in methods_of(view, answers)}
    return found | {Door("WS", str(found.pattern)) for found in websocket_urlpatterns if str(found.pattern)}


def route_at(method: str, path: str) -> str:
    """Which route an address is of."""
    path = path.partition("?")[0]
    if method != "WS":
        return str(resolve(path).route)
    return next(str(one.pattern) for one in websocket_urlpatterns if one.pattern.match(path.lstrip("/")))
