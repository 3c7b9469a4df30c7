"""Swaps and cover over the API: ask a colleague, or anyone on the rota, to take a shift; accept, decline, withdraw."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action, Body, Reference, Report
from tocsin.api.resources import shapes
from tocsin.api.resources.schedules import zone_asked_for
from tocsin.base import times
from tocsin.base.errors import invalid, invalid_arguments
from tocsin.base.times import Span
from tocsin.core import swap as core
from tocsin.core.swap import Status, Swap
from tocsin.service import access
from tocsin.service import swaps as service
from tocsin.store import people as store_people
from tocsin.store import swaps as store
from tocsin.store.tables.schedules import schedule

TAG = "Schedules"
ALL = "/api/v1/schedules/{id}/swaps"
ONE = f"{ALL}/{{swap_id}}"


class GiveBack(msgspec.Struct):
    """The colleague's shift, or a part of it, that the asker takes in exchange."""

    start: str
    end: str


class SwapWrite(msgspec.Struct):
    """A request. Without `user` anyone on the rota is asked; `asker` is for whoever manages the schedule."""

    start: str
    end: str
    user: Reference | None = None
    give_back: GiveBack | None = None
    expires_at: str | None = None
    note: Annotated[str, Meta(max_length=core.NOTE_MOST)] | None = None
    asker: Reference | None = None


def _instant(text: str, zone: tzinfo, field: str) -> datetime:
    """In whole seconds; without an offset it is a wall clock of the schedule."""
    try:
        return times.parse_instant(text, zone=zone).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise invalid(f"{field}: {error}") from error


def ask(call: Call, body: SwapWrite) -> Reply:
    """Ask somebody, or anyone on the rota, to take over."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id)
    zone = times.zone_named(row.time_zone)
    span = Span(_instant(body.start, zone, "start"), _instant(body.end, zone, "end"))
    back = body.give_back
    made = service.ask(
        call.tx, call.deed, row.id, span,
        user_id=body.user.id if body.user else None,
        back=Span(_instant(back.start, zone, "give_back.start"), _instant(back.end, zone, "give_back.end")) if back else None,
        expires_at=_instant(body.expires_at, zone, "expires_at") if body.expires_at else None,
        note=body.note,
        asker_id=body.asker.id if body.asker else None,
    )  # fmt: skip
    return Reply(201, {"swap": _shown(call, [made])[0]})


def listed(call: Call) -> Body:
    """The schedule's requests, the newest first; only those of `statuses[]`, if that is given."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id)
    statuses = call.query.many("statuses[]")
    if unknown := sorted(set(statuses) - {one.value for one in Status}):
        raise invalid_arguments(f"statuses[] must be of {', '.join(Status)}, not {', '.join(unknown)}")
    window = paging.window(call.query)
    found = store.of_schedule(call.tx, row.id, statuses=statuses, limit=window.limit + 1, offset=window.offset)
    total = store.count(call.tx, row.id, statuses) if window.wants_total else None
    return {"swaps": _shown(call, found[: window.limit]), **window.answer(more=len(found) > window.limit, total=total)}


def one(call: Call) -> Body:
    """One request; for whoever may still answer it, with what they should know before they accept."""
    swap = service.find(call.tx, call.actor, call.params["swap_id"], schedule_id=call.id)
    told, me = _shown(call, [swap])[0], call.actor.user_id
    if me is not None and me in swap.asked and swap.status is Status.ASKED:
        refusal = service.refusal(call.tx, swap, me, call.now)
        told["can_accept"] = not refusal
        told["warnings"] = [refusal] if refusal else service.warnings(call.tx, me, swap.span, beside=swap.schedule_id)
    return told


def accept(call: Call) -> Body:
    """Take the shift."""
    return _answered(call, service.accept)


def decline(call: Call) -> Body:
    """Say no."""
    return _answered(call, service.decline)


def withdraw(call: Call) -> Body:
    """Take the request back."""
    return _answered(call, service.withdraw)


def _answered(call: Call, answer: Any) -> Body:
    service.find(call.tx, call.actor, call.params["swap_id"], schedule_id=call.id)
    return _shown(call, [answer(call.tx, call.deed, call.params["swap_id"])])[0]


def _shown(call: Call, swaps: list[Swap]) -> list[Body]:
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id)
    zone = zone_asked_for(call.query, row.time_zone)
    named = {user_id for swap in swaps for user_id in (swap.asker_id, swap.taker_id, *swap.asked) if user_id}
    people = store_people.users(call.tx, named)
    rota = envelope.reference(call.house, shapes.schedule_type(row), row.id, row.name)
    return [_body(call, swap, rota, {id_: person.name for id_, person in people.items()}, zone) for swap in swaps]


def _body(call: Call, swap: Swap, rota: Body, names: Mapping[str, str], zone: tzinfo) -> Body:
    def person(user_id: str | None) -> Body | None:
        return envelope.reference(call.house, "user", user_id, names.get(user_id)) if user_id else None

    def at(instant: datetime | None) -> str | None:
        return times.iso(instant, zone) if instant is not None else None

    path = f"/api/v1/schedules/{swap.schedule_id}/swaps/{swap.id}"
    return {
        **envelope.common(call.house, "swap", swap.id, f"{names.get(swap.asker_id, swap.asker_id)}, {rota['summary']}", path=path),
        "schedule": rota,
        "status": swap.status.value,
        "start": at(swap.start),
        "end": at(swap.end),
        "asker": person(swap.asker_id),
        "to_anyone": swap.to_anyone,
        "asked": [{"user": person(one), "answer": "declined" if one in swap.declined else None} for one in swap.asked],
        "give_back": {"start": at(swap.back.start), "end": at(swap.back.end)} if swap.back else None,
        "note": swap.note,
        "created_at": at(swap.created_at),
        "expires_at": at(swap.expires_at),
        "taker": person(swap.taker_id),
        "decided_at": at(swap.decided_at),
        "reason": swap.reason,
    }


DECLARED = (
    Report(ALL, TAG, listed, scope="schedules.read"),
    Action(method="POST", path=ALL, tag=TAG, run=ask, body=SwapWrite, wrap_in="swap", scope="schedules.write", status=201),
    Report(ONE, TAG, one, wrap_out="swap", scope="schedules.read"),
    *(
        Action(method="POST", path=f"{ONE}/{name}", tag=TAG, run=run, wrap_out="swap", scope="schedules.write")
        for name, run in (("accept", accept), ("decline", decline), ("withdraw", withdraw))
    ),
)
