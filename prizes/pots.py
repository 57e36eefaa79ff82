"""The accounts of the ledger, named before they exist."""

from dataclasses import dataclass
from uuid import UUID

from prizes.models.ledger import AccountKind


@dataclass(frozen=True)
class Pot:
    kind: AccountKind
    currency: str
    gateway: str = ""
    competition_id: UUID | None = None
    user_id: UUID | None = None


def cash(gateway: str, currency: str) -> Pot:
    return Pot(AccountKind.CASH, currency, gateway=gateway)


def fees(competition_id: UUID, currency: str) -> Pot:
    return Pot(AccountKind.FEES, currency, competition_id=competition_id)


def pool(competition_id: UUID, currency: str) -> Pot:
    return Pot(AccountKind.POOL, currency, competition_id=competition_id)


def prizes_owed(competition_id: UUID, user_id: UUID, currency: str) -> Pot:
    return Pot(AccountKind.PRIZES_OWED, currency, competition_id=competition_id, user_id=user_id)


def refunds_owed(competition_id: UUID, user_id: UUID, currency: str) -> Pot:
    return Pot(AccountKind.REFUNDS_OWED, currency, competition_id=competition_id, user_id=user_id)


def platform(currency: str) -> Pot:
    return Pot(AccountKind.PLATFORM, currency)


def organiser(user_id: UUID, currency: str) -> Pot:
    return Pot(AccountKind.ORGANISER, currency, user_id=user_id)


def reserve(user_id: UUID, currency: str) -> Pot:
    return Pot(AccountKind.RESERVE, currency, user_id=user_id)
