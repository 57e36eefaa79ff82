"""docs/asyncapi.yaml. That what servers really send is as it says: `said_at` in tests/flows/servers.py, at every message."""

import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from config.core.json import load_json
from config.routing import websocket_urlpatterns
from leaderboards.consumers import LeaderboardConsumer
from leaderboards.watching import MOST_NEIGHBOURS, MOST_ROWS, Close
from tests.docs.asyncapi import document, messages_of, said_at, validator
from tests.flows.servers import ROOT


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        here = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return here.union(*(references(each) for each in part.values()))
    return set().union(*(references(each) for each in part)) if isinstance(part, list) else set()


def test_every_reference_leads_somewhere_and_everything_is_referred_to() -> None:
    for reference in references(document()):
        found: Any = document()
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
    parts = {f"#/components/{kind}/{name}" for kind, named in document()["components"].items() for name in named}
    assert parts - references(document()) == set()


def test_every_schema_is_one() -> None:
    for schema in document()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_socket_of_the_server_has_its_channel() -> None:
    served = {
        "/" + re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", str(route.pattern)).strip("^$").removesuffix("/?")
        for route in websocket_urlpatterns
        if str(route.pattern)
    }
    described = {channel["address"] for channel in document()["channels"].values()}
    assert {address for address in described if address.startswith("/ws/")} == served


def test_what_the_code_says_is_what_the_document_says() -> None:
    schemas = document()["components"]["schemas"]
    assert set(schemas["closing"]["properties"]["code"]["enum"]) == {int(code) for code in Close}
    assert (schemas["limit"]["maximum"], schemas["window"]["maximum"]) == (MOST_ROWS, MOST_NEIGHBOURS)
    source = Path(str(LeaderboardConsumer.take.__code__.co_filename)).read_text() + (ROOT / "leaderboards/sockets.py").read_text()
    assert set(re.findall(r"_complain\(\"(\w+)\"", source)) == set(schemas["error"]["properties"]["code"]["enum"])
    understood = set(re.findall(r"case \{\"type\": \"(\w+)\"", source))
    assert understood == set(messages_of("leaderboard", "receive"))


def test_a_message_that_is_not_described_is_noticed() -> None:
    good = {"type": "error", "code": "not_found", "message": "There is no such competition."}
    assert said_at("leaderboard", good) == good
    for wrong in ({**good, "code": "odd"}, {**good, "colour": "red"}, {"type": "error"}, {"type": "dance"}, {}):
        with pytest.raises(AssertionError, match=r"asyncapi\.yaml"):
            said_at("leaderboard", wrong)
    with pytest.raises(AssertionError):
        said_at("stream", good)


def test_the_examples_for_clients_are_as_the_document_says() -> None:
    """Those that docs/clients prints, with ids where it has dots."""
    text = (ROOT / "docs/clients/README.md").read_text()
    for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL):
        for example in re.split(r"\n\n", block.strip()):
            filled = example.replace('"…"', '"6a1f9a52-5d0b-4ee2-9a51-1f9d5d0b4ee2"')
            message = load_json(filled.encode())
            assert said_at("fitness" if message["type"] == "fitness_update" else "leaderboard", message)
    resume = {"type": "resume", "competitionId": "6a1f9a52-5d0b-4ee2-9a51-1f9d5d0b4ee2", "epoch": "e", "version": 1}
    assert not list(validator("resume").iter_errors(resume))


@pytest.mark.slow
def test_it_is_asyncapi_3(typescript: Path) -> None:
    """By the specification's own schema."""
    schemas = typescript / "node_modules/@asyncapi/specs/schemas"
    specification = Draft7Validator(load_json((schemas / "3.0.0-without-$id.json").read_bytes()))
    assert [error.message[:300] for error in specification.iter_errors(document())] == []
    planted = {**document(), "operations": {"shout": {"action": "shout", "channel": {"$ref": "#/channels/fitness"}}}}
    assert list(specification.iter_errors(planted))
