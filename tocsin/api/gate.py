"""The front gate: events come in here, are checked, put on disk, and only then answered; all else goes to the edge.

Laws:
1. 202 (Events API v1: 200) is said only after the event is on disk.
2. A refusal says everything that is wrong, in PagerDuty's shapes (BEHAVIOUR 1.1 and 1.3), changes nothing, and is counted.
3. The body is JSON whatever the request's Content-Type says: real senders get that header wrong.
"""

from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.api.patience import TOO_SLOW, Patience
from tocsin.base import ids
from tocsin.base.errors import Refusal
from tocsin.inbound import change_events, events_v1, events_v2
from tocsin.inbound.roll import READERS, reader_named
from tocsin.inbound.spec import CHANGE, MAX_NOTIFICATION, Accepted, Payload, Reader, Unreadable
from tocsin.service.ingest import Ingest

MAX_DRAINED: Final = MAX_NOTIFICATION
"""Bytes of a body that is too large anyway which are still read, so that its sender can hear why it was refused."""

RsgiApp = Callable[[Any, Any], Awaitable[None]]
"""An application in granian's own interface (RSGI): it takes a scope and a protocol, and answers through the latter."""


class Tongue(NamedTuple):
    """How one family of addresses speaks: PagerDuty's event APIs differ in small words."""

    accepted: int  # the status of success
    done: str
    key_name: str  # what the deduplication key is called in the answer; empty: it is not told
    unrecognized: str  # the status word for what is no event at all
    unknown_key: str


_V2: Final = Tongue(202, "Event processed", "dedup_key", "Unrecognized object", "Invalid routing key")
_CHANGE: Final = _V2._replace(done="Change event processed", key_name="")
_V1: Final = Tongue(200, "Event processed", "incident_key", "unrecognized object", "Invalid service key")

_FIXED: Final[Mapping[str, tuple[Reader, Tongue]]] = {
    "/v2/enqueue": (events_v2.READER, _V2),
    "/v2/change/enqueue": (change_events.READER, _CHANGE),
    "/generic/2010-04-15/create_event.json": (events_v1.READER, _V1),
}
_ADDRESSED: Final = ("/integration/", "/x-ere/")

_JSON: Final = [("content-type", "application/json")]


class _Turned(Exception):
    """Turned away before the body could be judged."""

    def __init__(self, status: int, word: str, message: str, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.word = word
        self.message = message
        self.error = error


class Gate:
    """One RSGI application: events are taken here, everything else is passed to `edge`."""

    def __init__(self, ingest: Ingest, edge: RsgiApp, *, chance: Random, patience: Patience | None = None) -> None:
        self._patience = patience or Patience(_refusal("request timeout", TOO_SLOW, "Nothing was kept"))
        self._ingest = ingest
        self._edge = edge
        self._chance = chance

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        path: str = scope.path
        known = _FIXED.get(path)
        if known is not None:
            await self._serve(scope, proto, known[0], known[1], "")
        elif path.startswith(_ADDRESSED):
            reader, routing_key = _addressed(path)
            await self._serve(scope, proto, reader, _V2, routing_key)
        else:
            await self._edge(scope, proto)

    async def _serve(self, scope: Any, proto: Any, reader: Reader | None, tongue: Tongue, routing_key: str) -> None:
        headers = _JSON
        try:
            status, answer = 202, await self._take(scope, proto, reader, tongue, routing_key)
            status = tongue.accepted
        except Unreadable as refused:
            if refused.is_event:
                status, answer = 400, _refusal("invalid event", "Event object is invalid", *refused.errors)
            else:
                status, answer = (
                    400,
                    _refusal(tongue.unrecognized, "Event object format is unrecognized", *refused.errors, *_packed(scope)),
                )
            self._ingest.count_refused(reader.name if reader else "unknown", refused.errors)
        except _Turned as turned:
            status, answer = turned.status, _refusal(turned.word, turned.message, turned.error)
            self._ingest.count_refused(reader.name if reader else "unknown", [turned.message])
            if status == 405:
                headers = [*_JSON, ("allow", "POST")]
            elif status == 413:
                headers = [*_JSON, ("connection", "close")]
        except Refusal as busy:  # the disk or the database: nothing was kept, the sender shall come again
            status, answer = busy.status, _refusal("internal error", busy.message, *busy.errors)
            headers = [*_JSON, ("retry-after", "1")]
            self._ingest.count_refused(reader.name if reader else "unknown", [busy.message])
        proto.response_bytes(status, headers, answer)

    async def _take(self, scope: Any, proto: Any, reader: Reader | None, tongue: Tongue, routing_key: str) -> bytes:
        """Read, check, keep, and only then give the answer's body."""
        if scope.method != "POST":
            raise _Turned(405, "method not allowed", "Events are sent with POST", f"{scope.method} is not allowed here")
        if reader is None:
            raise _Turned(404, "not found", "There is no such way in", f"After the key comes one of: {_WAYS_IN}")
        waiting = self._patience.begin(proto)
        try:
            body = await _body(scope, proto, reader.most)
        finally:
            self._patience.end(waiting)
        settings: Mapping[str, Any] = {}
        if routing_key and tongue is _V2 and reader is not events_v2.READER:
            way = await self._ingest.way(routing_key)
            if way is None:
                raise Unreadable([tongue.unknown_key])
            settings = way.settings
        accepted = reader.check(Payload(body=body, routing_key=routing_key, settings=settings))
        first = accepted[0]
        if self._ingest.way_at_once(first.routing_key) is None and await self._ingest.way(first.routing_key) is None:
            raise Unreadable([tongue.unknown_key])
        keys = [self._dedup_key(one) for one in accepted]
        await self._ingest.accept(
            [
                (one.routing_key, reader.name, one.action, key, one.summary, one.raw)
                for one, key in zip(accepted, keys, strict=True)
            ]
        )
        if not tongue.key_name:
            return _encode({"status": "success", "message": tongue.done})
        answer = {"status": "success", "message": tongue.done, tongue.key_name: keys[0]}
        return _encode(answer if len(keys) == 1 else {**answer, "dedup_keys": keys})

    def _dedup_key(self, one: Accepted) -> str | None:
        """The sender's key, or a fresh one for a trigger without; a change event has none."""
        return one.dedup_key or (None if one.action == CHANGE else ids.uuid_text(self._chance))


_encode: Final = msgspec.json.Encoder().encode


def _refusal(status: str, message: str, *errors: str) -> bytes:
    return _encode({"status": status, "message": message, "errors": list(errors)})


def _packed(scope: Any) -> list[str]:
    """What to say of a body that came packed."""
    packed = scope.headers.get("content-encoding")
    return [f"Content-Encoding {packed[:40]} is not understood here: send the body as it is"] if packed else []


_WAYS_IN: Final = ", ".join(["enqueue", *(reader.name for reader in READERS)])


def _addressed(path: str) -> tuple[Reader | None, str]:
    """Who reads what is posted to an address that holds its routing key, and that key."""
    match path.strip("/").split("/"):
        case ["x-ere", key]:
            return events_v2.READER, key
        case ["integration", key, "enqueue"]:
            return reader_named("generic"), key
        case ["integration", key, name]:
            return reader_named(name), key
        case _:
            return None, ""


async def _body(scope: Any, proto: Any, most: int) -> bytes:
    """The whole body, or `_Turned` with 413 when it is larger than `most` bytes."""
    said = scope.headers.get("content-length")
    if said is not None and said.isdigit() and int(said) <= most:
        whole: bytes = await proto()
        return whole
    too_large = _Turned(
        413, "invalid event", "Event object is too large", f"The body is larger than {most} bytes; nothing was kept"
    )
    if said is not None and said.isdigit() and int(said) > MAX_DRAINED:
        raise too_large
    size, pieces = 0, []
    async for piece in proto:
        size += len(piece)
        if size <= most:
            pieces.append(bytes(piece))
        elif size > MAX_DRAINED:
            break
    if size > most:
        raise too_large
    return b"".join(pieces)
