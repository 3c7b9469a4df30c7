"""JSON in and out: one encoder and decoder for the house, and canonical bytes for signatures."""

import json as std_json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

_encoder: Final = msgspec.json.Encoder()
_sorted_encoder: Final = msgspec.json.Encoder(order="sorted")
_decoder: Final = msgspec.json.Decoder()

MAX_DEPTH: Final = 64
"""How deep a document from outside may be nested; deeper ones are refused before anything walks them."""


def encode(value: object) -> bytes:
    """Compact JSON of any value msgspec knows (structs, dataclasses, datetimes, containers)."""
    return _encoder.encode(value)


def text(value: object) -> str:
    return _encoder.encode(value).decode()


def canonical(value: object) -> bytes:
    """The one byte form of a value, keys sorted: for signatures and comparisons."""
    return _sorted_encoder.encode(value)


def decode(raw: bytes | str) -> Any:
    """Any JSON document as plain Python values. Raises ValueError (msgspec's) when it is not JSON."""
    try:
        return _decoder.decode(raw)
    except RecursionError as error:
        raise ValueError("the document is nested too deeply") from error


def depth(value: object) -> int:
    """How deep a decoded document is nested (a scalar is 0), without recursion so that depth itself cannot hurt."""
    deepest, heap = 0, [(value, 0)]
    while heap:
        item, level = heap.pop()
        deepest = max(deepest, level)
        if isinstance(item, Mapping):
            heap.extend((child, level + 1) for child in item.values())
        elif isinstance(item, list):
            heap.extend((child, level + 1) for child in item)
    return deepest


def holds(value: object, part: str) -> bool:
    """Whether any text of a decoded document, keys included, contains `part`; without recursion."""
    heap = [value]
    while heap:
        item = heap.pop()
        if isinstance(item, str) and part in item:
            return True
        if isinstance(item, Mapping):
            heap.extend((*item.keys(), *item.values()))
        elif isinstance(item, list):
            heap.extend(item)
    return False


def pretty(value: object) -> str:
    """JSON for people to read, two spaces deep."""
    return std_json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)
