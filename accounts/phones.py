"""The code that proves whose a number is."""

from django.utils.crypto import salted_hmac

from accounts.models import Phone

_CODES = 1_000_000


def code_for(phone: Phone) -> str:
    """Six digits. Made when they are needed, so that they are stored nowhere."""
    seed = f"{phone.user_id}:{phone.number}:{phone.code_sent_at.timestamp()}"
    return f"{int(salted_hmac('phone', seed, algorithm='sha256').hexdigest(), 16) % _CODES:06}"
