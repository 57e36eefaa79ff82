"""`make cluster`: what deploy/compose.yaml starts, without containers: nginx, two servers, a worker, both engines.

The servers run as in production, behind the very nginx.conf that compose mounts. A server or worker that ends is
started again, as Docker would do it.
"""

import http.client
import os
import re
import secrets
import shutil
import socket
import ssl
import time
from pathlib import Path

from config.devservices import provide, stop
from config.devservices.certificate import ensure_certificate
from config.devservices.children import Children, end_leftovers
from config.devservices.supervising import HOST, RunError, is_ready, no_longer_stopped, refuse_taken, say, supervised

ROOT = Path(__file__).resolve().parents[2]
NGINX_CONF = ROOT / "deploy/nginx/nginx.conf"
READY_WITHIN = 60.0  # seconds
POLL = 0.1  # seconds
SERVERS = ("server 1", "server 2")
WORKER = "worker"
NGINX = "nginx"


def run_cluster(data_dir: Path, port: int) -> int:
    """Runs until Ctrl-C or SIGTERM; answers the exit code."""
    return supervised(data_dir, lambda: _run_alone(data_dir, port))


def _run_alone(data_dir: Path, port: int) -> None:
    binary = nginx_binary()
    record = data_dir / "run.json"
    end_leftovers(record)
    refuse_taken(port)
    redirect, health, *servers = _free_ports(4)
    children = Children(record, os.environ | _production(data_dir, port))
    try:
        engines = provide(data_dir, os.environ)
        children.environ |= engines
        for command in (["migrate", "--noinput", "--verbosity=0"], ["collectstatic", "--noinput", "--verbosity=0"]):
            if code := children.run(command[0], "manage.py", *command):
                raise RunError(f"manage.py {command[0]} ended with {code}.")
        starts = {name: (["-m", "config.serve"], {"PORT": str(at)}) for name, at in zip(SERVERS, servers, strict=True)}
        starts[WORKER] = (["manage.py", "procrastinate", "worker"], {})
        for name, (arguments, environ) in starts.items():
            children.start(name, *arguments, **environ)
        conf = _write_nginx_conf(data_dir / "nginx", port, redirect, health, servers)
        children.start_command(NGINX, [binary, "-c", str(conf), "-g", _outside_a_container()])
        _wait_until_ready(children, port, servers)
        say(_welcome(data_dir, port, redirect, servers))
        while True:
            for name, code in children.ended().items():
                if name == NGINX:
                    raise RunError(f"nginx ended unexpectedly (exit code {code}), so everything was stopped.")
                arguments, environ = starts[name]
                say(f"The {name} ended (exit code {code}); it is started again.")
                children.start(name, *arguments, **environ)
            time.sleep(POLL)
    finally:
        no_longer_stopped()
        children.stop()
        stop(data_dir)


def nginx_binary() -> str:
    """Raises RunError where there is none."""
    beside = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    binary = shutil.which("nginx", path=beside)
    if binary is None:
        raise RunError("make cluster needs nginx (on Debian: apt-get install nginx-light).")
    return binary


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _production(data_dir: Path, port: int) -> dict[str, str]:
    """Secrets that nobody has named live as long as the run: whoever was signed in before it signs in again."""
    ours = {
        "DEBUG": "false",
        "HOST": HOST,
        "DATA_DIR": str(data_dir),
        "PUBLIC_URL": f"https://{HOST}:{port}",
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "PROXY_COUNT": "1",
        "PYTHONUNBUFFERED": "1",
    }
    made = {name: secrets.token_urlsafe(50) for name in ("SECRET_KEY", "JWT_SECRET") if not os.environ.get(name)}
    return {"LOG_LEVEL": os.environ.get("LOG_LEVEL") or "WARNING"} | made | ours


def _write_nginx_conf(folder: Path, port: int, redirect: int, health: int, servers: list[int]) -> Path:
    """The configuration that compose mounts, with other addresses, ports and paths and nothing else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ensure_certificate(folder, [HOST, "localhost"])
    _link(folder / "static", ROOT / "staticfiles")
    conf = folder / "nginx.conf"
    conf.write_text(placed(NGINX_CONF.read_text(), folder, port, redirect, health, servers))
    return conf


def placed(text: str, folder: Path, port: int, redirect: int, health: int, servers: list[int]) -> str:
    """``text`` is nginx.conf. Raises RunError when it no longer says what is put in place of."""
    other = {
        "server 172.30.77.11:8080 ": f"server {HOST}:{servers[0]} ",
        "server 172.30.77.12:8080 ": f"server {HOST}:{servers[1]} ",
        "listen 127.0.0.1:8081;": f"listen {HOST}:{health};",
        "listen 8080;": f"listen {HOST}:{redirect};",
        "listen 8443 ": f"listen {HOST}:{port} ",
        "/tls/": f"{folder}/",
        "include ": f"include {NGINX_CONF.parent}/",
        "root /srv;": f"root {folder};",
        "/dev/stdout": f"{folder}/access.log",
        "error_log stderr": f"error_log {folder}/error.log",
        " /tmp/": f" {folder}/",
    }
    for ours in other:
        if ours not in text:
            raise RunError(f"deploy/nginx/nginx.conf does not say {ours.strip()!r} any more.")
    every = re.compile("|".join(map(re.escape, other)))  # at once, because a new path may hold an old one
    return every.sub(lambda found: other[found[0]], text)


def _link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _outside_a_container() -> str:
    """As root nginx would give its workers an account that may read neither the static files nor this folder."""
    return "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"


def _wait_until_ready(children: Children, port: int, servers: list[int]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    here = ssl.create_default_context()
    here.check_hostname, here.verify_mode = False, ssl.CERT_NONE  # our own nginx, by a certificate of our own making
    while not all(
        is_ready(connection)
        for connection in (
            http.client.HTTPSConnection(HOST, port, timeout=5, context=here),
            *(http.client.HTTPConnection(HOST, server, timeout=5) for server in servers),
        )
    ):
        for name, code in children.ended().items():
            raise RunError(f"The {name} ended unexpectedly (exit code {code}), so everything was stopped.")
        if time.monotonic() > deadline:
            raise RunError(f"The servers are not ready after {READY_WITHIN:.0f} seconds.")
        time.sleep(POLL)


def _welcome(data_dir: Path, port: int, redirect: int, servers: list[int]) -> str:
    lines = {
        "Everybody": f"https://{HOST}:{port}",
        "Redirects": f"http://{HOST}:{redirect}",
        "Server 1": f"http://{HOST}:{servers[0]}",
        "Server 2": f"http://{HOST}:{servers[1]}",
        "Certificate": str(data_dir / "nginx/fullchain.pem"),
        "Requests": str(data_dir / "nginx/access.log"),
    }
    shown = [f"  {name:<13}{where}" for name, where in lines.items()]
    return "\n".join(["", "The cluster is ready; Ctrl-C stops it.", "", *shown, ""])
