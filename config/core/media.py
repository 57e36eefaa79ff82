"""Bodies in and out. Apart from `api`, because DRF loads these before its own views exist."""

from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework import exceptions, negotiation, parsers, renderers
from rest_framework.request import Request

from config.core.json import UnreadableJSON, dump_json, load_json


class JSONRenderer(renderers.BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else dump_json(data)


class JSONParser(parsers.BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return load_json(stream.read())
        except UnreadableJSON as error:
            raise exceptions.ParseError(str(error)) from error


class OneMediaType(negotiation.BaseContentNegotiation):
    """Every view answers in one way, whatever the client says that it accepts: an error page in HTML helps no phone."""

    def select_parser(self, request: Request, parsers: Iterable[parsers.BaseParser]) -> parsers.BaseParser | None:
        return negotiation.DefaultContentNegotiation().select_parser(request, parsers)

    def select_renderer(
        self, request: Request, renderers: Iterable[renderers.BaseRenderer], format_suffix: str | None = None
    ) -> tuple[renderers.BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)
