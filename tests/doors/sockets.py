"""A socket before the whole application, as far as its door."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from asgiref.testing import ApplicationCommunicator

from config import asgi


async def closing_code(
    address: str, *, protocols: Sequence[str] = (), headers: Sequence[tuple[bytes, bytes]] = ()
) -> int:
    """What it is closed with; 0 for one that is open and has sent its first frame, or has none to send."""
    path, _, query = address.partition("?")
    scope = {
        "type": "websocket",
        "path": path,
        "query_string": query.encode(),
        "subprotocols": list(protocols),
        "headers": [(b"host", b"testserver"), *headers],
        "client": ("192.0.2.1", 4711),
    }
    talk: Any = ApplicationCommunicator(asgi.application, scope)  # type: ignore[no-untyped-call]  # asgiref has no types here
    await talk.send_input({"type": "websocket.connect"})
    try:
        assert (await talk.receive_output(10))["type"] == "websocket.accept"
        await talk.send_input({"type": "websocket.receive", "text": '{"type": "ping"}'})
        while True:
            message = await talk.receive_output(10)
            if message["type"] == "websocket.close":
                return int(message["code"])
            if "pong" in message.get("text", ""):
                return 0
    finally:
        await talk.send_input({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(talk.wait(), 10)


async def first_status(address: str, headers: Mapping[str, str]) -> str:
    """Of an answer that may go on for ever."""
    path, _, query = address.partition("?")
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"testserver"), *sent],
        "client": ("192.0.2.1", 4711),
        "scheme": "http",
    }
    talk: Any = ApplicationCommunicator(asgi.application, scope)  # type: ignore[no-untyped-call]  # asgiref has no types here
    await talk.send_input({"type": "http.request", "body": b""})
    try:
        return str((await talk.receive_output(10))["status"])
    finally:
        await talk.send_input({"type": "http.disconnect"})
        await asyncio.wait_for(talk.wait(), 10)
