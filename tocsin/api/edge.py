"""The edge: Starlette turns HTTP into a `Request` and a `Reply` back into HTTP. Nothing else here knows Starlette.

Laws:
1. Every answer that has a body is `application/json`: PagerDuty's clients read errors only then (BEHAVIOUR 7). Only bytes are passed
   on as they are, with their own type: tables of our own that were asked for.
2. Work runs in the thread pool; the loop only reads and writes.
3. What goes wrong unforeseen is logged with the request's id and answered 500 with that id, never with a trace.
"""

import logging
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tocsin.api import oauth, scim
from tocsin.api.kernel import envelope, openapi
from tocsin.api.kernel.call import MAX_BODY, House, Reply, Request
from tocsin.api.kernel.routes import Table
from tocsin.base import ids, json
from tocsin.base.clock import Clock
from tocsin.base.errors import Refusal, too_large

log = logging.getLogger("tocsin.api")

Answerer = Callable[[House, Request], Reply]


class _Anything(PathConvertor):
    """Every path: Starlette's own stops at a line break, and would answer in plain text."""

    regex = "(?s:.*)"


def make_app(table: Table, house: House, clock: Clock) -> Starlette:
    """The REST API as an ASGI application, to be mounted at the root behind the gate and the pages."""
    register_url_convertor("anything", _Anything())
    described = json.encode(openapi.document(table, house.base_url))

    async def describe(_http: HttpRequest) -> Response:
        return Response(described, media_type="application/json")

    return Starlette(
        routes=[
            Route("/openapi.json", describe, methods=["GET"]),
            *(Route(path, _Edge(oauth.answer, house, clock)) for path in oauth.PATHS),
            *(Route(path, _Edge(scim.answer, house, clock)) for path in (scim.PREFIX, scim.PREFIX + "/{path:path}")),
            Route("/{path:anything}", _Edge(table.answer, house, clock)),
        ],
    )


def is_api_request(path: str, headers: dict[str, str]) -> bool:
    """Whether a request at an address that pages and API share is for the API.

    It carries a key, or asks for PagerDuty's type or JSON rather than a page, or comes under the `…com/` prefix.
    """
    first = path.strip("/").partition("/")[0].lower()
    accept = headers.get("accept", "")
    return "authorization" in headers or first.endswith("com") or ("json" in accept and "text/html" not in accept)


class _Edge:
    """What answers requests, as one ASGI application: it takes every method, so that refusals are ours too."""

    def __init__(self, answer: Answerer, house: House, clock: Clock) -> None:
        self.answer = answer
        self.house = house
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._serve(HttpRequest(scope, receive))
        await response(scope, receive, send)

    async def _serve(self, http: HttpRequest) -> Response:
        request_id = ids.uuid_text(self.house.chance)
        try:
            body = await _body(http)
        except Refusal as refusal:
            return _response(envelope.refused(refusal), request_id)
        except ClientDisconnect:
            return Response(status_code=400)
        request = Request(
            method=http.method,
            path=http.scope["path"],
            now=self.clock(),
            request_id=request_id,
            query=http.query_params.multi_items(),
            headers=dict(http.headers),
            body=body,
            remote_address=http.client.host if http.client else None,
            scheme=http.scope.get("scheme", "http"),
        )
        return _response(await run_in_threadpool(_answer, self.answer, self.house, request), request_id)


def _answer(answer: Answerer, house: House, request: Request) -> Reply:
    try:
        return answer(house, request)
    except Exception:  # the top of the loop: logged with its trace, answered without
        log.exception("request %s failed: %s %s", request.request_id, request.method, request.path)
        words = f"Tocsin failed at this; its log has the reason under request {request.request_id}"
        return envelope.refused(Refusal(500, 2000, "Internal Error", [words]))


async def _body(http: HttpRequest) -> bytes:
    """The whole body. Raises 413 as soon as more than allowed is announced or read."""
    announced = http.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > MAX_BODY:
        raise too_large(f"A body may have at most {MAX_BODY} bytes")
    parts, size = [], 0
    async for part in http.stream():
        size += len(part)
        if size > MAX_BODY:
            raise too_large(f"A body may have at most {MAX_BODY} bytes")
        parts.append(part)
    return b"".join(parts)


def _response(reply: Reply, request_id: str) -> Response:
    headers = {"x-request-id": request_id, "cache-control": "no-store", **reply.headers}
    if reply.body is None:
        return Response(status_code=reply.status, headers=headers)
    if isinstance(reply.body, bytes):
        return Response(reply.body, status_code=reply.status, headers=headers)
    headers.setdefault("content-type", "application/json")
    return Response(json.encode(reply.body), status_code=reply.status, headers=headers)
