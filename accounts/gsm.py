"""Text as the GSM alphabet (3GPP TS 23.038) has it, in which a message of 160 signs is one message. Pure.

A single sign beyond it would have the whole message sent in another alphabet, of which 70 fit.
"""

import unicodedata

LONGEST = 160

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_TWICE = frozenset("^{}\\[~]|€")
"""Written by two signs each."""
_PLAINER = str.maketrans(
    {
        **dict.fromkeys("‘’‚‹›´`", "'"),
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("‐‑‒–—−", "-"),
        "…": "...",
        "\u00a0": " ",
        "\u202f": " ",
    }
)


def gsm_text(text: str) -> str:
    """Without accents that it does not know, and without what cannot be written at all."""
    return "".join(_written(sign) for sign in text.translate(_PLAINER))


def loses_letters(text: str) -> bool:
    """Whether more than ornament would be missing."""
    return any(sign.isalpha() and not _written(sign) for sign in text.translate(_PLAINER))


def gsm_length(text: str) -> int:
    return sum(2 if sign in _TWICE else 1 for sign in text)


def _written(sign: str) -> str:
    if sign in _BASIC or sign in _TWICE:
        return sign
    return "".join(part for part in unicodedata.normalize("NFKD", sign) if part in _BASIC)
