"""docs/asyncapi.yaml, and whether a message is one of those that it describes."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker

PATH = Path(__file__).resolve().parents[2] / "docs/asyncapi.yaml"


@cache
def document() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(PATH.read_text())
    return parsed


def strictly(schema: Any) -> Any:
    """The same where a field that is not described is wrong. Clients are told that there may be more one day; we are
    told when there is."""
    if isinstance(schema, list):
        return [strictly(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    stricter = {name: strictly(value) for name, value in schema.items()}
    return stricter | {"additionalProperties": False} if "properties" in schema else stricter


@cache
def validator(name: str) -> Draft202012Validator:
    schemas = strictly(document()["components"]["schemas"])
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}, format_checker=FormatChecker()
    )


def messages_of(channel: str, action: str) -> dict[str, str]:
    """What the server sends or receives there: the type on the wire, and the schema's name."""
    found: dict[str, str] = {}
    for operation in document()["operations"].values():
        if operation["action"] == action and operation["channel"]["$ref"] == f"#/channels/{channel}":
            for message in operation["messages"]:
                name = message["$ref"].rsplit("/", 1)[1]
                found[document()["components"]["messages"][name]["name"]] = name
    return found


def said_at(channel: str, message: Any) -> Any:
    """The message, which the server sent there. Raises AssertionError where the document does not describe it."""
    described = messages_of(channel, "send")
    assert message.get("type") in described, f"{channel} sends what docs/asyncapi.yaml does not know: {message}"
    wrong = next(validator(described[message["type"]]).iter_errors(message), None)
    assert wrong is None, f"{channel} sends what docs/asyncapi.yaml does not describe: {wrong and wrong.message}"
    return message
