"""What an export holds: a profile, and a table of each kind of thing that an app knows of its person. Of nobody else,
and nothing that opens anything: neither passwords nor tokens."""

from collections.abc import Iterator
from datetime import datetime
from typing import IO
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

from accounts import exports as accounts
from accounts.models import User
from competitions import exports as competitions
from config.core.csv import MARK, written_lines
from config.core.exports import Table
from config.core.json import dump_json
from config.people.profiles import profile_of
from fitness import exports as fitness
from leaderboards import exports as leaderboards
from prizes import exports as prizes

_README = """Everything that Pacesetter knows of {name}, as it was at {at}.

profile.json
    You, as you see yourself.
picture.webp
    Your picture, if there is one.
{tables}

Tables are comma-separated text in UTF-8 with a line of headings; moments are in UTC. A text that a spreadsheet would
take for a formula begins with an apostrophe that is not yours. What you did as staff for others is not in here.
"""


def write_archive(person: User, file: IO[bytes], now: datetime) -> None:
    """A zip, written as it is read, so that its size is no matter."""
    tables = list(tables_of(person.id))
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        listed = "\n".join(f"{table.name}.csv\n    {table.about}" for table in tables)
        archive.writestr("README.txt", _README.format(name=person.name, at=f"{now:%Y-%m-%d %H:%M} UTC", tables=listed))
        archive.writestr("profile.json", dump_json(profile_of(person, private=True)))
        if picture := accounts.picture_of(person):
            archive.writestr("picture.webp", picture)
        for table in tables:
            with archive.open(f"{table.name}.csv", "w", force_zip64=True) as part:
                for line in _lines(table):
                    part.write(line.encode())


def tables_of(user_id: UUID) -> Iterator[Table]:
    for app in (accounts, competitions, leaderboards, fitness, prizes):
        yield from app.tables_of(user_id)


def _lines(table: Table) -> Iterator[str]:
    yield MARK + written_lines([table.columns])
    for row in table.rows:
        yield written_lines([row])
