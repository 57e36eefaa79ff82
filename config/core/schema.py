"""OpenAPI: every answer in its envelope, every refusal that can come, and the ids of paths, without repeating any of it
in a view.

What follows from an operation itself is read off it: a body can be unreadable, too large or of another type; a path can
lead nowhere; a caller can be nobody, or somebody who may not. What does not follow, above all 409, a view declares
beside its answers, as ``409: None``.
"""

from http import HTTPStatus
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework.serializers import Serializer

_ERROR = {
    "type": "object",
    "description": "Every refusal, of every layer.",
    "required": ["success", "error", "message", "code", "request_id"],
    "properties": {
        "success": {"const": False},
        "error": {"type": "string", "description": "The status in words."},
        "message": {"type": "string", "description": "One readable sentence."},
        "code": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The status."},
        "details": {
            "type": "object",
            "description": "What is wrong with which field; only where fields are.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
        "request_id": {"type": "string"},
    },
}
_PAGINATION = {
    "type": "object",
    "required": ["limit", "offset", "total", "next", "previous"],
    "properties": {
        "limit": {"type": "integer"},
        "offset": {"type": "integer"},
        "total": {"type": "integer"},
        "next": {"type": ["string", "null"], "description": "Path and query of the next page."},
        "previous": {"type": ["string", "null"]},
    },
}
_MEANINGS = {
    400: "A field or a parameter needs another value; details name it.",
    401: "Nobody, or nobody any more: a valid access token is needed.",
    403: "Known, and not allowed.",
    404: "Nothing is there, or nothing that the caller may see.",
    409: "The current state does not allow this.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    429: "Too many requests.",
    503: "Not available for a moment.",
}
_HEADERS = {
    "RequestId": {
        "description": "The id of this request: the caller's own where it is sane.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
    },
    "RetryAfter": {
        "description": "Seconds after which to come again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "Authenticate": {"description": "How to prove who one is.", "required": True, "schema": {"type": "string"}},
}
_BESIDE = {401: {"WWW-Authenticate": "Authenticate"}, 429: {"Retry-After": "RetryAfter"}}
_BESIDE[503] = _BESIDE[429]

_UUID = {"type": "string", "format": "uuid"}
_PERSON = {"anyOf": [_UUID, {"const": "me"}], "description": "A person's id, or me."}


class EnvelopeSchema(AutoSchema):
    """Wraps the schema of ``data`` that a view declares into the envelope that ``success`` really sends. A view's
    ``beside`` names what stands next to ``data``, by name, as schemas."""

    def get_operation(self, *args: Any, **options: Any) -> Any:
        operation = super().get_operation(*args, **options)
        if operation is None:
            return None
        responses = operation["responses"]
        refused = {int(code) for code in responses if code >= "4"} | _refusals(operation)
        answers = {code: body for code, body in responses.items() if code < "4"}
        operation["responses"] = answers | {str(code): _response_ref(code) for code in sorted(refused)}
        return operation

    def _get_request_body(self, direction: Direction = "request") -> Any:
        """A DELETE may have one too, where a view says so."""
        if self.method == "DELETE" and self.get_request_serializer() is not None:
            self.method = "POST"
            try:
                return super()._get_request_body(direction)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
            finally:
                self.method = "DELETE"
        return super()._get_request_body(direction)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here

    def _get_response_bodies(self, direction: Direction = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for code, body in bodies.items():
            if code.startswith("2"):
                self._envelop(body)
            if code < "4":
                body.setdefault("headers", {})["X-Request-ID"] = _header_ref("RequestId")
                body["description"] = body["description"] or HTTPStatus(int(code)).phrase
        return bodies

    def _envelop(self, body: dict[str, Any]) -> None:
        content = body.setdefault("content", {"application/json": {}}).get("application/json")
        if content is None:
            return  # a stream or a file, which has no envelope
        body["description"] = body["description"].replace("No response body", "Done.")
        content["schema"] = self._enveloped(content.get("schema"))

    def _enveloped(self, data: dict[str, Any] | None) -> dict[str, Any]:
        properties: dict[str, Any] = {"success": {"const": True}, "message": {"type": "string"}}
        required = ["success"]
        if data is not None:
            properties["data"] = data
            required.append("data")
        if data is not None and data.get("type") == "array" and self._is_paginated():
            beside = {"pagination": {"$ref": "#/components/schemas/Pagination"}, **getattr(self.view, "beside", {})}
            properties |= beside
            required += beside
        return {"type": "object", "required": required, "properties": properties}

    def _is_paginated(self) -> bool:
        return any(parameter["name"] == "offset" for parameter in self._get_parameters())

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        """What ends in ``_id`` is one; a person is also called ``me``."""
        parameters: list[dict[str, Any]] = super()._resolve_path_parameters(variables)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
        for parameter in parameters:
            if parameter["name"] == "user_id":
                parameter["schema"] = _PERSON
            elif parameter["name"].endswith("_id"):
                parameter["schema"] = _UUID
        return parameters

    def _map_serializer_field(self, field: Any, direction: Direction, bypass_extensions: bool = False) -> Any:
        """Plain text says what it may not hold."""
        from config.core.api import NO_CONTROLS, plain_text  # which loads DRF's views, and those this module

        schema = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
        if plain_text in getattr(field, "validators", ()):
            schema["pattern"] = NO_CONTROLS
        return schema

    def _map_basic_serializer(self, serializer: Serializer[Any], direction: Direction) -> Any:
        """A serializer that refuses names it does not know says so by being ``closed``."""
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
        if direction == "request" and getattr(serializer, "closed", False):
            schema["additionalProperties"] = False
        return schema


def _refusals(operation: dict[str, Any]) -> set[int]:
    """Statuses that follow from what an operation is."""
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    has_body = "requestBody" in operation
    refused = {429, 503}
    if has_body or "query" in places:
        refused.add(400)
    if has_body:
        refused |= {413, 415}
    if "path" in places:
        refused.add(404)
    if any(operation.get("security", ())):
        refused |= {401, 403}
    return refused


def _response_ref(code: int) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{_name_of(code)}"}


def _header_ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _name_of(code: int) -> str:
    return HTTPStatus(code).phrase.title().replace(" ", "")


def _response_of(code: int) -> dict[str, Any]:
    example = {
        "success": False,
        "error": HTTPStatus(code).phrase,
        "message": _MEANINGS[code],
        "code": code,
        "request_id": "5f0c2c4e9d1b4c55a1f2f6f0f1f3c7aa",
    }
    names = {"X-Request-ID": "RequestId"} | _BESIDE.get(code, {})
    return {
        "description": _MEANINGS[code],
        "headers": {name: _header_ref(component) for name, component in names.items()},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "example": example}},
    }


def with_refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The components that every operation shares."""
    components = result["components"]
    components["schemas"] = dict(
        sorted((components.get("schemas", {}) | {"Error": _ERROR, "Pagination": _PAGINATION}).items())
    )
    components["headers"] = _HEADERS
    components["responses"] = {_name_of(code): _response_of(code) for code in _MEANINGS}
    return result


def without_trailing_slashes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Paths as clients write them; the patterns accept a slash as well."""
    result["paths"] = {path.rstrip("/"): item for path, item in result["paths"].items()}
    return result
