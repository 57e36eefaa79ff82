"""The payout file: from the frozen standings over plan and awards to the transfers, as one signed document that anybody
can recompute without this server (`docs/check_statement.py`)."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from config.core.errors import Unavailable
from config.core.json import canonical_json
from leaderboards.models import FinalStandings
from leaderboards.rows import wire_time
from prizes.models import AwardList, Purpose, Transfer
from prizes.queries import transfers_of


class NoStatementKey(Unavailable):
    message = "This server has no key to sign statements with; its operator sets STATEMENT_KEY."


def signed_statement(award_list: AwardList, *, redacted: bool) -> dict[str, Any]:
    """``{"statement": {...}, "key_id": "...", "signature": "..."}``: Ed25519 (RFC 8032) over the canonical JSON
    (RFC 8785) of the statement, in base64. Money in minor units. Raises NoStatementKey.

    ``redacted``: people are named by their line in the standings, and the standings' own text, which holds their ids,
    is left out; its digest stays.
    """
    standings = award_list.standings
    names = {row.user_id: place for place, row in enumerate(standings.rows, start=1)} if redacted else None
    statement = {
        "format": "pacesetter-statement/1",
        "competition": str(award_list.competition_id),
        "redacted": redacted,
        "standings": _standings(standings, names),
        "awards": _awards(award_list, names),
        "transfers": [_transfer(transfer, names) for transfer in _prizes(award_list.competition_id)],
    }
    key = _private_key()
    signature = key.sign(canonical_json(statement).encode())
    return {"statement": statement, "key_id": _key_id(key), "signature": base64.b64encode(signature).decode()}


def public_key_pem() -> str:
    """Raises NoStatementKey."""
    return _private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _private_key() -> Ed25519PrivateKey:
    if not settings.STATEMENT_KEY:
        raise NoStatementKey
    return Ed25519PrivateKey.from_private_bytes(settings.STATEMENT_KEY)


def _key_id(key: Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def _person(user_id: UUID, names: Mapping[UUID, int] | None) -> str | int | None:
    """None, in a redacted statement, for somebody whom a correction has taken off the standings."""
    return str(user_id) if names is None else names.get(user_id)


def _standings(standings: FinalStandings, names: Mapping[UUID, int] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"number": standings.number, "sha256": standings.digest}
    if names is None:
        return shown | {"document": standings.document}
    rows = [{"person": _person(row.user_id, names), "rank": row.rank, "score": row.score} for row in standings.rows]
    return shown | {"rows": rows}


def _awards(award_list: AwardList, names: Mapping[UUID, int] | None) -> dict[str, Any]:
    return {
        "version": award_list.version,
        "plan": award_list.plan,
        "ties_share": award_list.ties_share,
        "currency": award_list.currency,
        "promised_minor": award_list.promised_minor,
        "fees_minor": award_list.fees_minor,
        "platform_fee_minor": award_list.platform_fee_minor,
        "organiser_minor": award_list.organiser_minor,
        "pool_minor": award_list.pool_minor,
        "kept_minor": award_list.kept_minor,
        "awards": [
            {"person": _person(award.user_id, names), "rank": award.rank, "amount_minor": award.amount_minor}
            for award in award_list.awards.all()
        ],
    }


def _prizes(competition_id: UUID) -> list[Transfer]:
    """Of all versions, each in the order of its awards."""
    return list(transfers_of(competition_id).filter(purpose=Purpose.PRIZE).order_by("award_id"))


def _transfer(transfer: Transfer, names: Mapping[UUID, int] | None) -> dict[str, Any]:
    assert transfer.award is not None
    shown = {
        "person": _person(transfer.user_id, names),
        "version": transfer.award.award_list.version,
        "amount_minor": transfer.amount_minor,
        "currency": transfer.currency,
        "state": transfer.state,
        "paid_at": wire_time(transfer.paid_at) if transfer.paid_at else None,
    }
    if names is None:
        shown |= {"key": transfer.key, "gateway": transfer.gateway, "reference": transfer.reference}
    return shown
