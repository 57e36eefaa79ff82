"""Runs what docs/bruno uses of Bruno's language, without Bruno, whose command line is three hundred packages."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

BLOCK = re.compile(r"^([\w:-]+) \{\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
KNOWN = {"meta", "auth:bearer", "body:json", "params:query", "vars:post-response", "assert"}
VERBS = {"get", "post", "put", "patch", "delete"}


@dataclass(frozen=True)
class Request:
    name: str
    seq: int
    verb: str
    blocks: dict[str, str]

    def pairs(self, block: str) -> list[tuple[str, str]]:
        lines = [line.strip() for line in self.blocks.get(block, "").splitlines()]
        return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines if line)]


def read_request(path: Path) -> Request:
    """Raises AssertionError for what this runner would not run as Bruno does."""
    text = path.read_text()
    blocks = dict(BLOCK.findall(text))
    assert not BLOCK.sub("", text).strip(), f"{path.name}: not understood"
    [verb] = blocks.keys() & VERBS
    assert blocks.keys() <= KNOWN | {verb}, f"{path.name}: {blocks.keys() - KNOWN}"
    meta = dict(line.strip().split(": ", 1) for line in blocks["meta"].splitlines())
    return Request(meta["name"], int(meta["seq"]), verb, blocks)


def requests_of(folder: Path) -> list[Request]:
    """In the order in which they run."""
    files = sorted(path for path in folder.glob("*.bru") if path.name != "collection.bru")
    found = sorted((read_request(path) for path in files), key=lambda one: one.seq)
    assert [path.stem for path in files] == [f"{one.seq:02} {one.name}" for one in found]
    return found


def run(folder: Path, base: str) -> list[str]:
    """What went otherwise than a request says, a line each."""
    kept = {**_environment(folder), "base": base, "$timestamp": str(time.time_ns())}
    wrong: list[str] = []
    with httpx.Client(timeout=20, headers={"Accept": "application/json"}) as http:
        for request in requests_of(folder):
            answer = _send(http, request, kept)
            for what, expected in request.pairs("assert"):
                operator, _, value = expected.partition(" ")
                assert operator == "eq", expected
                found = _at(what, answer)
                if found != _literal(_filled(value, kept)):
                    wrong.append(f"{request.name}: {what} is {found!r} and not {value}: {answer.text[:300]}")
            for name, where in request.pairs("vars:post-response"):
                kept[name] = str(_at(where, answer))
    return wrong


def _environment(folder: Path) -> dict[str, str]:
    [(_, lines)] = BLOCK.findall((folder / "environments/local.bru").read_text())
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines.splitlines())}


def _send(http: httpx.Client, request: Request, kept: dict[str, str]) -> httpx.Response:
    said = dict(request.pairs(request.verb))
    tokens = dict(request.pairs("auth:bearer"))
    headers = {"Authorization": f"Bearer {_filled(tokens['token'], kept)}"} if said["auth"] == "bearer" else {}
    body = json.loads(_filled(request.blocks["body:json"], kept)) if said["body"] == "json" else None
    return http.request(request.verb, _filled(said["url"], kept), json=body, headers=headers)


def _filled(text: str, kept: dict[str, str]) -> str:
    """Raises KeyError for what no earlier request has kept."""
    return re.sub(r"\{\{(.+?)\}\}", lambda found: kept[found[1]], text)


def _at(where: str, answer: httpx.Response) -> Any:
    """``res.status``, ``res.body.data[0].rank``."""
    if where == "res.status":
        return answer.status_code
    found: Any = {"res": {"body": answer.json() if answer.content else None}}
    for name, index in re.findall(r"(\w+)|\[(\d+)\]", where):
        try:
            found = found[int(index)] if index else found[name]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def _literal(text: str) -> Any:
    return json.loads(text) if re.fullmatch(r"-?\d+(\.\d+)?|true|false|null", text) else text
