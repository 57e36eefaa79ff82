"""The seeded demo's people and what they did, written as PostgreSQL writes fastest: some statements for thousands of
rows. What of it counts is none of its business; the services say that afterwards.

Everything is worked out from somebody's number and the seed, so the same seed gives the same people, and on the same
day the same activity.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction

from competitions.models import Competition
from config.demo.people import PASSWORD

AT_ONCE = 5_000
"""People in one statement."""

_FIRST = (
    "Amara Bjarne Chiara Daniel Emi Farid Greta Hana Isaac Jun Kavya Liam Mei Noor Otto Pia Quinn Rosa Sven Tara Uma"
    " Vera Wout Xenia Yara Zeno Aino Bram Cleo Dario Edda Femi Gita Hugo Iris Jonas Kira Luca Mina Nico"
)
_LAST = (
    "Okafor Holm Ricci Reyes Tanaka Haddad Lindqvist Novak Mensah Park Nair Walsh Costa Duarte Eriksen Fontaine Garcia"
    " Huber Ivanov Jansen Keller Lopez Moreau Nowak Olsen Petrov Quist Rossi Silva Turner Ueda Vargas Weber Xu Yilmaz"
    " Zhou Abebe Brandt Cruz Dvorak"
)
_PLACES = "NG/Africa/Lagos DK/Europe/Copenhagen IT/Europe/Rome MX/America/Mexico_City JP/Asia/Tokyo CZ/Europe/Prague"


def _chance(*parts: str) -> str:
    """SQL for a number from 0 up to 1, the same for the same parts, which are numbers in SQL."""
    mixed = "%(seed)s::bigint"
    for part in parts:
        mixed = f"hashint8extended(({part})::bigint, {mixed})"
    return f"(({mixed} & 4503599627370495)::float8 / 4503599627370496)"


def _pick(words: str, *parts: str) -> str:
    """SQL for one of the words in the array ``words``."""
    return f"({words})[1 + floor({_chance(*parts)} * cardinality({words}))::int]"


# The statements are put together from constants of this module only.
_PEOPLE = f"""
    INSERT INTO accounts_user (id, identity_provider, password, email, name, bio, avatar, country, timezone, language,
                               is_superuser, is_active, is_staff, joined_at, updated_at)
    SELECT id, 'local', %(password)s, 'walker' || n || '@demo.example',
           {_pick("%(first)s::text[]", "n", "1")} || ' ' || {_pick("%(last)s::text[]", "n", "2")}, '', '',
           split_part(place, '/', 1), substr(place, 4), '',
           false, {_chance("n", "3")} > 0.01, false, joined_at, joined_at
      FROM (SELECT md5(%(seed)s || '/' || n)::uuid AS id, n, {_pick("%(places)s::text[]", "n", "4")} AS place,
                   %(now)s - interval '60 days' - {_chance("n", "5")} * interval '300 days' AS joined_at
              FROM generate_series(%(from)s::int, %(to)s::int) n) made
"""  # noqa: S608 - constants of this module
_CROWD = """
    CREATE TEMPORARY TABLE IF NOT EXISTS crowd AS
    SELECT n, md5(%(seed)s || '/' || n)::uuid AS id FROM generate_series(1, %(people)s) n
"""
_PARTICIPANTS = f"""
    INSERT INTO competitions_participant (competition_id, user_id, joined_at)
    SELECT %(competition)s, id,
           %(opened_at)s::timestamptz + {_chance("n", "%(number)s", "6")} * (%(until)s::timestamptz - %(opened_at)s)
      FROM crowd WHERE n = ANY(%(people)s)
"""  # noqa: S608 - constants of this module
_STANDINGS = """
    INSERT INTO leaderboards_standing (
           competition_id, user_id, synced_steps, synced_distance_mm, synced_energy_cal, synced_active_seconds,
           reported_steps, reported_distance_mm, reported_energy_cal, reported_active_seconds,
           steps, distance_mm, energy_cal, active_seconds, score, reached_at, joined_at, adjustment_points,
           disqualified_reason, on_board, version, updated_at)
    SELECT competition_id, user_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, joined_at, joined_at, 0, '', true, 1,
           joined_at
      FROM competitions_participant WHERE competition_id = %(competition)s
"""
_ACTIVITY = f"""
    INSERT INTO fitness_activity (user_id, day, source, steps, distance_mm, energy_cal, active_seconds,
                                  created_at, synced_at)
    SELECT user_id, day, source, steps, steps * 740, steps * 40, steps * 6 / 10, synced_at, synced_at
      FROM (SELECT user_id, day, source, (steps * share)::bigint AS steps,
                   least(day::timestamptz + interval '15 hours'
                         + {_chance("n", "d", "twin", "13")} * interval '11 hours'
                         + CASE WHEN {_chance("n", "d", "14")} < 0.03
                                THEN (1 + 4 * {_chance("n", "d", "15")}) * interval '1 day' ELSE interval '0' END,
                         %(now)s - {_chance("n", "d", "16")} * interval '9 hours') AS synced_at
              FROM (SELECT user_id, day, n, d, twin,
                           CASE WHEN twin = 1 THEN 'garmin' WHEN {_chance("n", "7")} < 0.02 THEN 'manual'
                                ELSE {_pick("%(sources)s::text[]", "n", "8")} END AS source,
                           CASE WHEN twin = 1 THEN 0.9 + 0.2 * {_chance("n", "d", "12")} ELSE 1 END AS share,
                           (2500 + 9000 * {_chance("n", "9")} ^ 2) * (0.5 + {_chance("n", "d", "10")})
                           * CASE WHEN extract(isodow FROM day) >= 6 THEN 1.2 ELSE 1 END AS steps
                      FROM (SELECT walked.user_id, crowd.n, walked.day, walked.day - date '1970-01-01' AS d
                              FROM walked JOIN crowd ON crowd.id = walked.user_id
                             WHERE crowd.n BETWEEN %(from)s AND %(to)s) days
                     CROSS JOIN generate_series(0, 1) twin
                     WHERE {_chance("n", "d", "11")} < 0.9
                       AND (twin = 0 OR {_chance("n", "17")} < 0.06)
                       AND ({_chance("n", "18")} > 0.12 OR d < %(today)s - 40 * {_chance("n", "19")})) read) timed
"""  # noqa: S608 - constants of this module
_WALKED = """
    CREATE TEMPORARY TABLE walked AS
    SELECT DISTINCT p.user_id, day::date AS day
      FROM competitions_participant p JOIN competitions_competition c ON c.id = p.competition_id
     CROSS JOIN generate_series(c.starts_on, least(c.last_on, %(now)s::date), interval '1 day') day
     WHERE c.start_at <= %(now)s AND c.cancelled_at IS NULL
"""
_SOURCES = """
    INSERT INTO fitness_datasource (user_id, app, device, kind, synced_at)
    SELECT id, app, device, kind, %(now)s
      FROM crowd CROSS JOIN (VALUES ('apple_health', 'Watch', 'watch'), ('apple_health', 'Phone', 'phone'))
           AS worn (app, device, kind)
     WHERE n %% 50 = 0
"""
_SAMPLES = f"""
    INSERT INTO fitness_sample (user_id, source_id, external_id, version, channel, type, start_at, end_at, amount,
                                recording, zone, synced_at, removed_by_window)
    SELECT user_id, source_id, md5(source_id || ' ' || start_at), 0, 'push', 'steps', start_at,
           start_at + interval '40 minutes', 8 * (30 + floor({_chance("n", "d", "hour", "21")} * 200))::bigint,
           CASE WHEN {_chance("n", "d", "22")} < 0.05 THEN 'manual' ELSE 'automatic' END, 'UTC',
           start_at + interval '1 hour', false
      FROM (SELECT walked.user_id, s.id AS source_id, crowd.n, walked.day - date '1970-01-01' AS d, hour,
                   (walked.day::timestamp AT TIME ZONE 'UTC') + hour * interval '1 hour'
                   + CASE s.kind WHEN 'phone' THEN interval '10 minutes' ELSE interval '0' END AS start_at
              FROM walked JOIN crowd ON crowd.id = walked.user_id JOIN fitness_datasource s USING (user_id)
             CROSS JOIN unnest(ARRAY[7, 8, 12, 17, 18]) hour
             WHERE walked.day >= %(now)s::date - 3) measured
     WHERE start_at + interval '1 hour' < %(now)s
"""  # noqa: S608 - constants of this module
_IMPORTS = f"""
    INSERT INTO fitness_import (id, user_id, state, format, bytes, bytes_read, read, accepted, unchanged, rejected,
                                problems, reason, attempts, created_at, finished_at)
    SELECT md5(%(seed)s || '/import/' || n)::uuid, id, CASE WHEN n %% 5 = 0 THEN 'failed' ELSE 'done' END,
           'apple-health', 4000000 + n, 4000000 + n, 900, CASE WHEN n %% 5 = 0 THEN 0 ELSE 850 END, 40, 10, '[]',
           CASE WHEN n %% 5 = 0 THEN 'This file is cut off in the middle.' ELSE '' END, 1,
           %(now)s - {_chance("n", "23")} * interval '20 days', %(now)s - {_chance("n", "23")} * interval '20 days'
      FROM crowd WHERE n %% 80 = 3 OR n = 5
"""  # noqa: S608 - constants of this module
_CONNECTIONS = """
    INSERT INTO fitness_connection (user_id, provider, account, state, tokens, connected_at, last_fetched_at,
                                    waits_until, failures, last_error)
    SELECT id, 'google_health', 'demo-' || n,
           (ARRAY['connected', 'needs_consent', 'failing', 'disconnected'])[1 + n %% 4], '',
           %(now)s - interval '30 days', %(now)s - interval '3 hours', %(now)s + interval '10 years',
           CASE n %% 4 WHEN 2 THEN 4 ELSE 0 END, CASE n %% 4 WHEN 2 THEN 'The cloud does not answer.' ELSE '' END
      FROM crowd WHERE n %% 60 IN (0, 1, 2, 3)
"""


def _run(sql: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def ranges(people: int) -> Sequence[tuple[int, int]]:
    """Everybody's numbers, so many at once."""
    return [(first, min(first + AT_ONCE - 1, people)) for first in range(1, people + 1, AT_ONCE)]


def make_people(*, numbers: Iterable[tuple[int, int]], people: int, seed: int, now: datetime) -> None:
    """Walkers who can all log in, by the same password, and the table ``crowd`` with their ids by their numbers, which
    lasts as long as the connection."""
    words = {"first": _FIRST.split(), "last": _LAST.split(), "places": _PLACES.split()}
    password = make_password(PASSWORD)  # once: it is meant to be slow
    _run(_CROWD, seed=seed, people=people)
    for first, last in numbers:
        _run(_PEOPLE, seed=seed, now=now, password=password, **words, **{"from": first, "to": last})
    _run("CREATE INDEX ON crowd (n)")
    _run("CREATE INDEX ON crowd (id)")
    _run("ANALYZE crowd")


@transaction.atomic
def enter(*, competition: Competition, numbers: Sequence[int], seed: int, until: datetime) -> None:
    """Puts these people into a free competition, at zero, as joining leaves them when nothing was measured yet."""
    _run(
        _PARTICIPANTS,
        competition=competition.id,
        number=competition.id.int % 2**31,
        people=list(numbers),
        seed=seed,
        opened_at=competition.created_at,
        until=until,
    )
    _run(_STANDINGS, competition=competition.id)
    _run("UPDATE leaderboards_board SET version = 1 WHERE competition_id = %(competition)s", competition=competition.id)
    Competition.objects.filter(id=competition.id).update(participant_count=len(numbers))


def plan_walks(*, now: datetime) -> None:
    """The table ``walked``: who walks on which days, because a competition that they are in counts them."""
    _run("DROP TABLE IF EXISTS walked")
    _run(_WALKED, now=now)
    _run("CREATE INDEX ON walked (user_id)")
    _run("ANALYZE walked")


def make_activity(*, numbers: Iterable[tuple[int, int]], seed: int, now: datetime) -> None:
    """Day totals, some of them from two sources, typed in or late; nothing of it is counted yet."""
    sources = ["health_connect", "apple_health", "apple_health", "fitbit", "samsung_health", "google_fit"]
    today = (now.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days
    for first, last in numbers:
        _run(_ACTIVITY, seed=seed, now=now, sources=sources, today=today, **{"from": first, "to": last})


def make_readings(*, seed: int, now: datetime) -> None:
    """Samples of a watch and a phone of one in fifty, files that were imported, and clouds that are connected."""
    for statement in (_SOURCES, _SAMPLES, _IMPORTS, _CONNECTIONS):
        _run(statement, seed=seed, now=now)


def people_numbered(numbers: Sequence[int]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM crowd WHERE n = ANY(%s) ORDER BY n", [list(numbers)])
        return [row[0] for row in cursor.fetchall()]


def forget_numbers() -> None:
    _run("DROP TABLE IF EXISTS walked, crowd")


def gathered() -> None:
    """As autovacuum would within minutes, so that the first page is as fast as the next day's."""
    _run(
        "ANALYZE accounts_user, fitness_activity, fitness_countedday, fitness_sample, competitions_participant,"
        " competitions_competition, leaderboards_standing"
    )
