from dataclasses import dataclass
from uuid import UUID

from accounts.models import User


@dataclass(frozen=True)
class Actor:
    """Who moves money: a person, or a service key by its name."""

    user: User | None = None
    service_key: str = ""

    @property
    def user_id(self) -> UUID | None:
        return self.user.id if self.user else None
