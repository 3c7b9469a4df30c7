"""Identifiers in PagerDuty's shapes, drawn from a source of chance that is handed in.

Laws:
1. Nothing here draws chance by itself: the caller hands in a `Random` (the system's in life, a seeded one in tests).
2. Identifiers are upper case and digits without look-alikes of separators, so they are safe in paths, files and speech.
"""

from random import Random
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
HEX: Final = "0123456789abcdef"


def object_id(chance: Random) -> str:
    """A classic identifier: `P` and six more of [0-9A-Z], for users, services, policies and other configuration."""
    return "P" + _drawn(chance, ALPHABET, 6)


def long_id(chance: Random, *, prefix: str = "Q") -> str:
    """A 14-character identifier, for what comes in large numbers: incidents and alerts (`Q`), log entries (`R`)."""
    return prefix + _drawn(chance, ALPHABET, 13)


def part_id(chance: Random) -> str:
    """A 27-character identifier of what is part of a shift-based schedule: rotations, events, shifts (BEHAVIOUR 5.4)."""
    return _drawn(chance, BASE32, 27)


def integration_key(chance: Random) -> str:
    """A routing key: 32 lower-case hexadecimal characters. It is a credential, so `chance` must be the system's."""
    return _drawn(chance, HEX, 32)


def uuid_text(chance: Random) -> str:
    """A random (version 4) UUID in its usual text form."""
    bits = (chance.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62)) | (0x4 << 76) | (0x2 << 62)
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def token(chance: Random, length: int = 20) -> str:
    """A secret word of `length` characters from [0-9A-Za-z_-], for API keys and private addresses."""
    return _drawn(chance, ALPHABET + "abcdefghijklmnopqrstuvwxyz_-", length)


def _drawn(chance: Random, alphabet: str, length: int) -> str:
    return "".join(chance.choices(alphabet, k=length))
