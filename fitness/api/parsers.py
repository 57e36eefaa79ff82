"""Reading a sync's body: JSON or a sample in each line, as it is or packed by gzip."""

import zlib
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework import exceptions, parsers
from rest_framework.request import Request

from config.core.errors import Invalid, TooLarge
from config.core.json import UnreadableJSON, load_json
from fitness.api.sync import MAX_SAMPLES

_GZIP = 16 + zlib.MAX_WBITS


class SyncParser(parsers.BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request: Request = (parser_context or {})["request"]
        return self.read(_unpacked(stream.read(), request.headers.get("Content-Encoding", "identity")))

    def read(self, body: bytes) -> Any:
        try:
            return load_json(body)
        except UnreadableJSON as error:
            raise exceptions.ParseError(str(error)) from error


class LinesParser(SyncParser):
    """A sample in each line, or in a line of its own what else the body of a sync says: ``deleted``, a complete window,
    ``user_id``. A line that cannot be read stands among the samples as it is, so that it is named there."""

    media_type = "application/x-ndjson"

    def read(self, body: bytes) -> Any:
        whole: dict[str, Any] = {"samples": []}
        lines = [line for line in body.splitlines() if line.strip()]
        if len(lines) > _MOST_LINES:
            raise Invalid(details={"samples": [f"Send {_MOST_LINES} lines at most at once."]})
        for line in lines:
            try:
                said = load_json(line)
            except UnreadableJSON:
                said = None
            if isinstance(said, dict) and said and said.keys() <= _BESIDE:
                _add(whole, said)
            else:
                whole["samples"].append(said)
        return whole


_BESIDE = {"user_id", "deleted", "complete_from", "complete_to"}
_MOST_LINES = 2 * MAX_SAMPLES + len(_BESIDE)
"""A sample, an id that was deleted, or one of the others in each."""


def _add(whole: dict[str, Any], said: dict[str, Any]) -> None:
    """Each line may name other ids that were deleted."""
    before, also = whole.get("deleted"), said.get("deleted")
    whole |= said
    if isinstance(before, list) and isinstance(also, list):
        before += also
        whole["deleted"] = before


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Raises TooLarge as soon as there is more in it than a body may have."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _inflated(body)
        case _:
            raise exceptions.UnsupportedMediaType(encoding, "Send the body as it is, or packed by gzip.")


def _inflated(body: bytes) -> bytes:
    most = settings.MAX_BODY_BYTES
    inflater = zlib.decompressobj(_GZIP)
    try:
        text = inflater.decompress(body, most + 1)
    except zlib.error as error:
        raise exceptions.ParseError("The body is not packed by gzip.") from error
    if len(text) > most:
        raise TooLarge(f"The request body may have {most} bytes at most when it is unpacked.")
    if not inflater.eof:
        raise exceptions.ParseError("The packed body ends too early.")
    if inflater.unused_data:
        raise exceptions.ParseError("Something follows the packed body; pack it as one.")
    return text
