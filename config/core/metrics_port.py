"""``GET /metrics`` of a process that serves nothing else."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import prometheus_client


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing: a line for each time that Prometheus asks."""


def answer_metrics(host: str, port: int, read: Callable[[], bytes], may_read: Callable[[str], bool]) -> int:
    """In a thread of its own, for as long as the process lives. Says the port, which the system chooses for 0."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, body = "404 Not Found", b""
        if not may_read(environ["REMOTE_ADDR"]):
            status = "403 Forbidden"
        elif environ["PATH_INFO"].rstrip("/") == "/metrics":
            status, body = "200 OK", read()
        start_response(status, [("Content-Type", prometheus_client.CONTENT_TYPE_LATEST)])
        return [body]

    server = make_server(host, port, application, _Server, _Quiet)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return int(server.server_port)
