"""`python -m config.serve`: the server as it runs in production and in `make run`."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import warnings

import uvicorn

from config.core import environment
from config.core.metric_files import shared_folder
from config.core.tracing import stop_tracing

# WhiteNoise hands Django files, which are synchronous iterators; Django reads them in a thread and says so each time.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")


GOODBYE_SECONDS = 5.0


class Server(uvicorn.Server):
    """On SIGTERM nobody new is let in, whoever watches is told to come again at a moment of their own (1012), and
    requests finish, within 30 seconds in all."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.freeze()  # what was loaded stays, and ten thousand sockets are not garbage: to look at them all again and
        gc.set_threshold(100_000, 20, 100)  # again took a third of the time
        if shared_folder():
            from config.core.pools import keep_noting_pools

            keep_noting_pools()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        from fitness.following import followers  # not before uvicorn has loaded the application and thereby Django
        from leaderboards.hub import hub

        here = hub(), followers()

        for server in self.servers:
            server.close()
        await asyncio.gather(*(listener.dismiss(seconds=GOODBYE_SECONDS) for listener in here))
        await super().shutdown(sockets)
        for listener in here:
            await listener.close()


def _without_stack(record: logging.LogRecord) -> bool:
    """Text that is no UTF-8 is its sender's fault, and closed with 1007: a line is enough, where uvicorn writes a
    traceback for every one."""
    if record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError):
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _leave(*_: object) -> None:
    """uvicorn ends gracefully and then raises the signal anew. Whoever asked it to go shall hear that it went well, and
    a thread that still waits for something keeps nobody."""
    stop_tracing()
    logging.shutdown()
    os._exit(0)


def main() -> None:
    # A thread that reads a board shares the interpreter with the event loop: shorter turns make shorter pauses.
    sys.setswitchinterval(0.001)
    env = environment.read()
    from config.core.connections import Connection, Socket, bound_what_lies  # not before the settings are named

    config = uvicorn.Config(
        "config.asgi:application",
        host=env.HOST,
        port=env.PORT,
        loop="uvloop",
        http=Connection,
        ws=Socket,  # the protocol with write flow control: a slow socket is noticed
        ws_max_size=16 * 1024,  # what a client sends is a subscription, never more
        ws_per_message_deflate=False,  # compression contexts cost 300 KiB a socket
        ws_ping_interval=20,
        ws_ping_timeout=20,
        access_log=False,  # it would hold query strings; RequestMiddleware writes our own
        log_config=None,  # Django's settings configure logging for the whole process
        proxy_headers=False,  # PROXY_COUNT decides whom to believe
        server_header=False,
        lifespan="off",  # Django has none
        timeout_graceful_shutdown=25,
    )
    logging.getLogger("uvicorn.error").addFilter(_without_stack)
    signal.signal(signal.SIGTERM, _leave)
    listening = config.bind_socket()
    bound_what_lies(listening)
    Server(config).run(sockets=[listening])


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main()
