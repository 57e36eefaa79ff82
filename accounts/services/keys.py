"""Service keys: made, and taken back."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from accounts.models import Scope, ServiceKey


def create_service_key(*, name: str, scopes: Iterable[Scope]) -> tuple[ServiceKey, str]:
    """The key's record, and the key itself, which is shown this once and stored nowhere."""
    secret = f"psk_{secrets.token_urlsafe(32)}"
    key = ServiceKey.objects.create(
        name=name, prefix=secret[:10], digest=sha256(secret.encode()).hexdigest(), scopes=list(scopes)
    )
    return key, secret


def revoke_service_keys(*, key_ids: Iterable[UUID], now: datetime) -> int:
    return ServiceKey.objects.filter(id__in=list(key_ids), revoked_at=None).update(revoked_at=now)
