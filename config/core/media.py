"""Bodies in and out. Apart from `api`, because DRF loads these before its own views exist."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework import exceptions, parsers, renderers

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
