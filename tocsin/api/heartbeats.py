"""Pings at secret addresses: `/heartbeat/SECRET`, and after it `/start`, `/fail` or an exit status.

Laws:
1. 200 is said only after the ping is on disk.
2. The address is all the authority there is: a wrong one is 404, and says no more.
3. Too many are 429, a database that cannot write is 503: the sender shall come again.
"""

import re
from datetime import datetime
from random import Random
from typing import Final

import sqlalchemy as sa

from tocsin.api.callbacks import Answer
from tocsin.base.secret import Seals
from tocsin.core.heartbeat import Kind
from tocsin.service import heartbeats
from tocsin.service.heartbeats import BODY_MOST, Heard, Ping
from tocsin.store.db import Database

PREFIX: Final = "/heartbeat/"
BODY_MAX: Final = 4 * BODY_MOST
"""Bytes of a body that are read; of them `BODY_MOST` characters are kept, what is beyond is not an error."""
METHODS: Final = ("GET", "HEAD", "POST")

_ADDRESS: Final = re.compile(rf"/heartbeat/([A-Za-z0-9_+-]{{{heartbeats.SECRET_LENGTH}}})(?:/(start|fail|\d{{1,3}}))?/?", re.ASCII)
_PLAIN: Final = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
_UNKNOWN: Final = Answer(404, b"There is no heartbeat at this address\n", _PLAIN)


def answer(
    db: Database, seals: Seals, method: str, path: str, body: bytes, remote_address: str | None, *, now: datetime, chance: Random
) -> Answer:
    """Take one ping."""
    if method not in METHODS:
        return Answer(405, b"A heartbeat is sent with GET, HEAD or POST\n", _PLAIN | {"allow": ", ".join(METHODS)})
    found = _ADDRESS.fullmatch(path)
    status = int(found[2]) if found and found[2] and found[2].isdigit() else None
    if found is None or (status is not None and status > 255):
        return _UNKNOWN
    kind = Kind.START if found[2] == "start" else Kind.FAIL if found[2] == "fail" or status else Kind.SUCCESS
    ping = Ping(kind, method, status, body.decode("utf-8", "replace"), remote_address)
    try:
        with db.read() as tx:
            if not heartbeats.knows(tx, seals, found[1]):
                return _UNKNOWN
        with db.write() as tx:
            heard = heartbeats.hear(tx, seals, found[1], ping, now=now, chance=chance)
    except sa.exc.DBAPIError:
        return Answer(503, b"The ping could not be kept: send it again\n", _PLAIN | {"retry-after": "1"})
    match heard:
        case Heard.TAKEN:
            return Answer(200, b"" if method == "HEAD" else b"OK\n", _PLAIN)
        case Heard.TOO_MANY:
            words = f"At most {heartbeats.A_MINUTE} pings a minute are taken: send fewer\n"
            return Answer(429, words.encode(), _PLAIN | {"retry-after": "60"})
        case Heard.UNKNOWN:
            return _UNKNOWN
