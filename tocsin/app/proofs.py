"""What coverage was proven, and what replacing somebody would touch, as the command line says it: one line for each kind of hole."""

from collections.abc import Iterable, Mapping

from tocsin.base.times import human_duration
from tocsin.core.coverage import Double, Reached, Repeated, together
from tocsin.service import coverage_watch
from tocsin.service.coverage import Change, Coverage, Proven
from tocsin.service.replacement import Place
from tocsin.store.coverage import Cause, Hole

CLOCK = "%a %d %b %H:%M"
"""Instants are told in UTC, to the minute; JSON has them whole."""


def coverage_words(found: Coverage, known: Mapping[Cause, Hole]) -> str:
    """The proof for people: holes first, then weak stretches, then who is at two places, then how many policies are whole."""
    lines = [f"From {found.span.start:%d %b %Y %H:%M} to {found.span.end:%d %b %Y %H:%M} UTC"]
    whole = 0
    for one in found.policies:
        parts: list[tuple[str, str, Proven]] = [(one.policy.name, "", one), *((own.service.name, own.service.id, own) for own in one.own)]
        shown = [line for name, id_, proven in parts for line in _part(name, one.policy.id, id_, proven, known)]
        if shown:
            users = ", ".join(service.name for service in one.services) or "no service uses it"
            lines += [f"{one.policy.name} ({users}): {one.covered_share:.2f} % covered", *shown]
        else:
            whole += 1
    lines += _doubles(found)
    if whole:
        lines.append(f"{whole} {'policy reaches' if whole == 1 else 'policies reach'} somebody by the first level at every instant.")
    if not found.policies:
        lines.append("There are no escalation policies.")
    return "\n".join(lines)


def _part(name: str, policy_id: str, service_id: str, proven: Proven, known: Mapping[Cause, Hole]) -> Iterable[str]:
    of = f"{name}: " if service_id else ""
    for row in together(proven.gaps):
        hole = coverage_watch.since(known, policy_id, row.first, service_id)
        since = f" (known since {hole.found_at:{CLOCK}}{f', after {hole.after}' if hole.after else ''})" if hole else ""
        yield f"  NOBODY  {of}{_stretch(row)}: {_why(row.first)}{since}"
    for row in together(proven.weak):
        late = f"after {human_duration(row.first.wait)}" if row.first.wait else "by another level"
        yield f"  weak    {of}{late}, {_stretch(row)}: {_why(row.first)}"


def _stretch(row: Repeated) -> str:
    often = f", {row.count} times, {human_duration(row.lasting)} in all" if row.count > 1 else ""
    return f"{row.first.start:{CLOCK}} to {row.first.end:{CLOCK}}{often}"


def _why(one: Reached) -> str:
    return "; ".join(f"level {cause.level}: {cause.words}" if cause.level else cause.words for cause in one.causes)


def _doubles(found: Coverage) -> Iterable[str]:
    grouped: dict[tuple[str, tuple[str, ...]], list[Double]] = {}
    for one in found.doubles:
        grouped.setdefault((one.user_id, one.schedule_ids), []).append(one)
    for (user_id, schedule_ids), same in grouped.items():
        places = " and ".join(found.schedule_names[id_] for id_ in schedule_ids)
        often = f", {len(same)} times" if len(same) > 1 else ""
        yield f"TWICE   {found.user_names[user_id]} is on call at two places, {same[0].start:{CLOCK}} to {same[0].end:{CLOCK}}{often}: {places}"


def replacement_words(touched: Iterable[Place], changes: Iterable[Change]) -> str:
    """What replacing somebody touches, a line each, and what it opens and closes."""
    lines = [f"  {one.kind.replace('_', ' ')} {one.name} ({one.id}): the successor {one.words}" for one in touched]
    return "\n".join([*lines, *changed_words(changes)]) or "  nothing names them"


def changed_words(changes: Iterable[Change]) -> list[str]:
    """What an edit opens, delays and closes, a line each."""
    lines: list[str] = []
    for change in changes:
        name = change.service.name if change.service else change.policy.name
        for word, parts in (("NOBODY", change.opens), ("later ", change.later), ("closed", change.closes)):
            lines += [f"  {word}  {name}: {_stretch(row)}: {_why(row.first) or 'somebody is reached again'}" for row in together(parts)]
    return lines
