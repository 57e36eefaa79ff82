"""The OpenAPI document as it is fuzzed with: the server's own, read strictly, with links between its operations."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

Document = dict[str, Any]

PRODUCED = {
    "CompetitionAnswer": ("competition_id", "id"),
    "MyCompetition": ("competition_id", "id"),
    "FlagAnswer": ("flag_id", "id"),
    "FlagWithHistory": ("flag_id", "id"),
    "ImportAnswer": ("import_id", "id"),
    "DeviceAnswer": ("device_id", "id"),
    "ConnectionAnswer": ("provider", "provider"),
}
"""Answers that name something which a path can be about: the path's parameter, and where the answer has it."""


def prepared(document: Document, known: Mapping[str, list[str]]) -> Document:
    """``known``: ids and days of what there is, by the name of the field that has them."""
    made = copy.deepcopy(document)
    close(made)
    tell_of_what_there_is(made, known)
    tell_of_events(made)
    link(made)
    return made


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, verb, operation."""
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            yield path, verb, operation


def close(document: Document) -> None:
    """An answer may hold nothing that is not documented. The document leaves that open, so that a field may be added
    without breaking a client that checks; a fuzzer shall see it."""
    for name, schema in document["components"]["schemas"].items():
        if not name.endswith("Request") and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    for _, _, operation in operations(document):
        for answer in operation["responses"].values():
            schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
            if "properties" in schema:
                schema["additionalProperties"] = False


def tell_of_what_there_is(document: Document, known: Mapping[str, list[str]]) -> None:
    """Half the time. Words for a field do not reach what stands in a list or is one of several shapes, and a sync by a
    day and a person out of thin air goes no further than the first check."""
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Request"):
            for field in ("user_id", "competition_id", "date"):
                if described := schema.get("properties", {}).get(field):
                    schema["properties"][field] = {"anyOf": [{"enum": sorted(set(known[field]))}, described]}


EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9a-f-]{36}:[0-9]+$"},
        "event": {"const": "message"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"enum": ["leaderboard_update", "leaderboard_delta", "closing"]}},
            },
        },
    },
}


def tell_of_events(document: Document) -> None:
    """To OpenAPI 3.1 a stream is one text, as the document says; the fuzzer holds the schema against each event."""
    for _, _, operation in operations(document):
        for answer in operation["responses"].values():
            if stream := answer.get("content", {}).get("text/event-stream"):
                stream["schema"] = EVENT


def link(document: Document) -> None:
    """From what names a competition, a flag, … to every operation that is about one; and from one operation about
    something to the others about the same, so that scenarios run: create, join, read the board, leave."""
    about: dict[str, list[str]] = {}
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path" and parameter["name"] != "user_id":
                about.setdefault(parameter["name"], []).append(operation["operationId"])
    for _, _, operation in operations(document):
        for code, answer in operation["responses"].items():
            found = _named_by(answer, operation) if code.startswith("2") else None
            if found is not None:
                name, expression = found
                answer["links"] = {
                    f"{name} to {target}": {"operationId": target, "parameters": {f"path.{name}": expression}}
                    for target in about.get(name, ())
                    if target != operation["operationId"]
                }


def _named_by(answer: dict[str, Any], operation: dict[str, Any]) -> tuple[str, str] | None:
    data = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("properties", {}).get("data", {})
    component = (data.get("items") or data).get("$ref", "").rpartition("/")[2]
    produced = PRODUCED.get(component)
    if produced is not None:
        name, field = produced
        return name, f"$response.body#/data/{'0/' if 'items' in data else ''}{field}"
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["name"] != "user_id":
            return parameter["name"], f"$request.path.{parameter['name']}"
    return None
