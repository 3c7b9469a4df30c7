"""A receiver of pages for measuring: answers 200 at once and remembers when each message came.

    python -m bench.phone PORT     GET /stats: {"count", "first", "last"}; GET /times: {mark: instant}; GET /clear

A mark is the text between `<<` and `>>` somewhere in a message; one message may carry several.
"""

import asyncio
import json
import re
import sys
import time

import uvloop

_MARK = re.compile(rb"&lt;&lt;([\w-]+)&gt;&gt;|<<([\w-]+)>>|\\u003c\\u003c([\w-]+)\\u003e\\u003e")


class Phone(asyncio.Protocol):
    """One connection; requests one after the other, kept alive."""

    times: dict[str, float] = {}  # noqa: RUF012 - one for the whole process, on purpose
    messages = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            size = int(found[1]) if found else 0
            if len(self.buffer) < end + 4 + size:
                return
            body, self.buffer = self.buffer[end + 4 : end + 4 + size], self.buffer[end + 4 + size :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST"):
            now = time.time()
            Phone.messages += 1
            for groups in _MARK.findall(body):
                Phone.times.setdefault(next(mark for mark in groups if mark).decode(), now)
            self._say(b"202 Accepted", b'{"status":"success","message":"Event processed","dedup_key":"x"}')
        elif b"/times" in head:
            self._say(b"200 OK", json.dumps(Phone.times).encode())
        elif b"/clear" in head:
            Phone.times, Phone.messages = {}, 0
            self._say(b"200 OK", b"{}")
        else:
            stamps = Phone.times.values()
            stats = {"count": len(stamps), "messages": Phone.messages}
            stats |= {"first": min(stamps, default=0), "last": max(stamps, default=0)}
            self._say(b"200 OK", json.dumps(stats).encode())

    def _say(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.transport.write(head + body)  # type: ignore[attr-defined]


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Phone, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
