"""OpenAPI: every answer in its envelope, and the one error shape beside it, without repeating either in a view."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction

_ERROR = {
    "type": "object",
    "required": ["success", "error", "message", "code", "request_id"],
    "properties": {
        "success": {"const": False},
        "error": {"type": "string", "examples": ["Not Found"]},
        "message": {"type": "string"},
        "code": {"type": "integer"},
        "details": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
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
        "next": {"type": ["string", "null"]},
        "previous": {"type": ["string", "null"]},
    },
}


class EnvelopeSchema(AutoSchema):
    """Wraps the schema of ``data`` that a view declares into the envelope that ``success`` really sends."""

    def _get_response_bodies(self, direction: Direction = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for code, body in bodies.items():
            if code.startswith("2"):
                content = body.setdefault("content", {"application/json": {}}).get("application/json")
                if content is None:
                    continue  # a stream, which has no envelope
                body["description"] = body["description"].replace("No response body", "Done.")
                content["schema"] = self._enveloped(content.get("schema"))
        bodies["default"] = {
            "description": "A refusal; the status says which kind.",
            "content": {"application/json": {"schema": _ERROR}},
        }
        return bodies

    def _enveloped(self, data: dict[str, Any] | None) -> dict[str, Any]:
        properties: dict[str, Any] = {"success": {"const": True}, "message": {"type": "string"}}
        required = ["success"]
        if data is not None:
            properties["data"] = data
            required.append("data")
        if data is not None and data.get("type") == "array" and self._is_paginated():
            properties["pagination"] = _PAGINATION
            required.append("pagination")
        return {"type": "object", "required": required, "properties": properties}

    def _is_paginated(self) -> bool:
        return any(parameter["name"] == "offset" for parameter in self._get_parameters())


def without_trailing_slashes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Paths as clients write them; the patterns accept a slash as well."""
    result["paths"] = {path.rstrip("/"): item for path, item in result["paths"].items()}
    return result
