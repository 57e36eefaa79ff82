"""What every run of several processes has in common: one at a time, ended by Ctrl-C, failing with one sentence."""

import http.client
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from config.devservices.account import EngineError
from config.devservices.processes import locked

HOST = "127.0.0.1"  # never another: what these runs start is for whoever sits at this machine
STOPPED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a supervisor, a closed terminal


class RunError(Exception):
    """The run cannot start or go on; the text is one sentence for the developer."""


def supervised(data_dir: Path, body: Callable[[], None]) -> int:
    """Calls ``body``, which runs until it is stopped or raises; answers the exit code."""
    for number in STOPPED_BY:
        under_nohup = number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
        if not under_nohup:
            signal.signal(number, signal.default_int_handler)
    try:
        with locked(data_dir / "run.lock", wait=False):
            body()
    except BlockingIOError:
        return _failed(f"Another run uses {data_dir}; stop it first, or choose another DATA_DIR.")
    except (RunError, EngineError) as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        say("Stopped.")
    return 0


def no_longer_stopped() -> None:
    """A second Ctrl-C must not leave half of it running."""
    for number in STOPPED_BY:
        signal.signal(number, signal.SIG_IGN)


def refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        # Connections that ended a moment ago do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(f"Port {port} cannot be used ({reason}); choose another with PORT=8081.") from None


def is_ready(connection: http.client.HTTPConnection) -> bool:
    """Whether the server at the other end takes requests; the connection is closed."""
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _failed(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1
