"""Has a picture redrawn by a process that holds nothing and is ended when it takes too much."""

import subprocess
import sys
import threading
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import structlog

from accounts.pictures.names import SIDES, digest_of
from config.core.errors import Invalid, TooLarge, Unavailable

MOST_BYTES = 5 * 1024 * 1024
FIELD = "avatar"
"""What refusals call the file."""

_PROGRAM = Path(__file__).with_name("redrawing.py")
_REFUSED, _NO_PICTURE = 2, 3  # as the program ends; to import it would load every decoder here
_AT_ONCE = 2
"""Processes of one server's: each may take some hundred megabytes."""
_SECONDS = 20.0
"""On the clock. The process may use three seconds of a processor, so longer means that the machine is busy."""
_PATIENCE_SECONDS = 5.0
"""To wait for a turn."""
_turns = threading.BoundedSemaphore(_AT_ONCE)

log = structlog.get_logger(__name__)


class PictureRefused(Invalid):
    """A file that cannot become a picture here, or shall not."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, details={FIELD: [sentence]})


class NotAPicture(PictureRefused):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class PictureTooLarge(TooLarge):
    message = f"A picture may have {MOST_BYTES // 1024**2} MB at most."

    def __init__(self) -> None:
        super().__init__(details={FIELD: [self.message]})


class PicturesBusy(Unavailable):
    message = "Many pictures are looked at just now; try again in a moment."


@dataclass(frozen=True)
class Redrawn:
    """WebP files by their side in pixels."""

    digest: str
    files: dict[int, bytes]


def redraw_picture(data: bytes) -> Redrawn:
    """Raises PictureRefused, NotAPicture, PictureTooLarge, PicturesBusy."""
    if not data:
        raise PictureRefused("The file is empty.")
    if len(data) > MOST_BYTES:
        raise PictureTooLarge
    if not _turns.acquire(timeout=_PATIENCE_SECONDS):
        raise PicturesBusy
    try:
        files = _redrawn(data)
    finally:
        _turns.release()
    return Redrawn(digest_of(*files), dict(zip(SIDES, files, strict=True)))


def _redrawn(data: bytes) -> list[bytes]:
    command = [sys.executable, "-I", str(_PROGRAM), *map(str, SIDES)]
    try:
        # Every word of the command is ours. The environment, which holds our secrets, is not handed on.
        ended = subprocess.run(command, input=data, capture_output=True, env={}, timeout=_SECONDS, check=False)  # noqa: S603 - as said above
    except subprocess.TimeoutExpired:
        raise PicturesBusy from None
    if ended.returncode in (_REFUSED, _NO_PICTURE):
        refusal = NotAPicture if ended.returncode == _NO_PICTURE else PictureRefused
        raise refusal(ended.stdout.decode())
    if ended.returncode < 0:  # a signal: it took too long, or broke
        log.warning("picture_ended_its_process", signal=-ended.returncode, bytes=len(data))
        raise PictureRefused("The picture takes too long to be opened.")
    if ended.returncode:
        raise RuntimeError(ended.stderr.decode(errors="replace")[-2000:])
    return _files_in(ended.stdout)


def _files_in(answer: bytes) -> list[bytes]:
    files = []
    while answer:
        end = 4 + int.from_bytes(answer[:4], "big")
        files.append(answer[4:end])
        answer = answer[end:]
    return files
