"""Who the embedded engines run as, and the directories that only this account may enter."""

import contextlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path


class EngineError(Exception):
    """An embedded engine cannot be had; the text says why, for the developer who started it."""


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int


def engines_account() -> Account:
    """The caller's own account; for root another one, because PostgreSQL refuses to run as root.

    It is `nobody` because initdb needs an account that exists, and this one does without any change to the
    machine. Raises EngineError where it does not.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EngineError("As root the engines need the account nobody; start as an ordinary user.") from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def private_directory(path: Path) -> None:
    """Creates `path` for the engines' account alone (mode 0700); an existing one must be exactly that.

    Raises EngineError otherwise: whoever else made it could read what passes through it.
    """
    account = engines_account()
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() != account.uid:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
        found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise EngineError(
            f"{path} must be a directory of mode 0700 of user {account.uid}, who runs the engines."
            " Remove it, or start as the user it belongs to."
        )


def open_the_way(path: Path) -> None:
    """As root: lets the engines' account pass through the directories above `path`.

    /root, for one, is closed to everybody else. Only the traverse bit (o+x) is added, and only where it is
    missing: the names inside stay unreadable, and files keep their own modes.
    """
    if os.geteuid() != 0:
        return
    account = engines_account()
    for directory in path.resolve().parents:
        found = directory.stat()
        if found.st_uid == account.uid or found.st_mode & stat.S_IXOTH:
            continue
        try:
            directory.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)
        except OSError as error:
            raise EngineError(f"The engines' account cannot pass through {directory}: {error}.") from error
