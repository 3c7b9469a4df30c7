"""How alike two short texts are, and what they are when numbers and names are taken out: for finding incidents like one.

Laws:
1. A text is its words and the three-letter pieces of its words; what is rare among the texts compared weighs more.
2. Likeness is the cosine of two texts' weights: 1 for the same words, 0 for nothing in common. It is symmetric.
3. Work is bounded: at most `LETTERS_READ` letters of each text are looked at, and equal texts are weighed once.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

LETTERS_READ: Final = 300
PIECE: Final = 3
"""Letters of a piece; a word is padded with a space on both sides, so that its beginning and end count too."""
WORD_WEIGHT: Final = 2.0
"""A whole word counts for so many pieces."""

_WORD: Final = re.compile(r"[^\W_]+")
_MASKS: Final = (
    (re.compile(r"https?://\S+", re.IGNORECASE), "<URL>"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<*>"),
    (re.compile(r"\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b"), "<*>"),
    (re.compile(r"\b\d+([.,]\d+)?\s?(%|[kMGT]i?B|ms|s|min|h)(?!\w)"), "<MEASUREMENT>"),
    (re.compile(r"\b(?=[0-9a-zA-Z]*\d)[0-9a-zA-Z]{5,}\b"), "<*>"),
    (re.compile(r"\d+"), "<*>"),
)  # fmt: skip


def features(text: str) -> Counter[str]:
    """What a text is made of, and how often: words (`w:…`) and pieces (`p:…`)."""
    found: Counter[str] = Counter()
    for word in _WORD.findall(text[:LETTERS_READ].casefold()):
        found["w:" + word] += 1
        padded = f" {word} "
        for at in range(len(padded) - PIECE + 1):
            found["p:" + padded[at : at + PIECE]] += 1
    return found


def likeness(text: str, others: Sequence[str]) -> list[float]:
    """How alike `text` is to each of the others, from 0 to 1, in their order."""
    known = {other: features(other) for other in dict.fromkeys(others)}
    mine = features(text)
    seen_in = Counter(feature for found in [mine, *known.values()] for feature in found)
    count = len(known) + 1
    weigh = {feature: _weight(feature) * (1.0 + math.log((1 + count) / (1 + times))) for feature, times in seen_in.items()}
    my_weights = {feature: times * weigh[feature] for feature, times in mine.items()}
    my_length = math.sqrt(sum(weight * weight for weight in my_weights.values()))
    found = {other: _cosine(my_weights, my_length, features_, weigh) for other, features_ in known.items()}
    return [found[other] for other in others]


def _weight(feature: str) -> float:
    return WORD_WEIGHT if feature.startswith("w:") else 1.0


def _cosine(mine: dict[str, float], my_length: float, theirs: Counter[str], weigh: dict[str, float]) -> float:
    together = sum(mine[feature] * times * weigh[feature] for feature, times in theirs.items() if feature in mine)
    their_length = math.sqrt(sum((times * weigh[feature]) ** 2 for feature, times in theirs.items()))
    if not together:
        return 0.0
    return min(1.0, together / (my_length * their_length))


def template(text: str) -> str:
    """The text with numbers, addresses and identifiers masked: what repeats when the same thing happens again."""
    masked = text[:LETTERS_READ]
    for pattern, mask in _MASKS:
        masked = pattern.sub(mask, masked)
    return " ".join(masked.split())


def rarity(count: int, total: int) -> str | None:
    """What it is called when `count` of `total` incidents of a service were like this one; None: neither rare nor frequent."""
    if count == 0:
        return "anomaly"
    share = count / total
    if share <= RARE_MOST:
        return "rare"
    return "frequent" if share >= FREQUENT_LEAST else None


RARE_MOST: Final = 0.05
FREQUENT_LEAST: Final = 0.20
"""Shares of a service's incidents (BEHAVIOUR 3.1, outlier)."""
