"""`python -m config.serve`: the server as it runs in production and in `make run`."""

import os
import warnings

import uvicorn

from config.core import environment

# WhiteNoise hands Django files, which are synchronous iterators; Django reads them in a thread and says so each time.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")


def main() -> None:
    env = environment.read()
    uvicorn.run(
        "config.asgi:application",
        host=env.HOST,
        port=env.PORT,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",  # the protocol with write flow control: a slow socket is noticed
        ws_max_size=16 * 1024,  # what a client sends is a subscription, never more
        ws_per_message_deflate=False,  # compression contexts cost 300 KiB a socket
        ws_ping_interval=20,
        ws_ping_timeout=20,
        access_log=False,  # it would hold query strings; RequestMiddleware writes our own
        log_config=None,  # Django's settings configure logging for the whole process
        proxy_headers=False,  # PROXY_COUNT decides whom to believe
        server_header=False,
        lifespan="off",  # Django has none
        timeout_graceful_shutdown=30,
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main()
