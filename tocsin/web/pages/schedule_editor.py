"""Pages for making and changing a schedule of layers: every button answers with the form as it was typed and what it would change."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from starlette.responses import Response

from tocsin.base import times
from tocsin.base.errors import Refusal, invalid
from tocsin.base.times import Span, human_duration, parse_instant, zone_named
from tocsin.core import handover, permission
from tocsin.core import schedule as rules
from tocsin.core.handover import Hours, Rhythm
from tocsin.core.permission import CREATE, DELETE, UPDATE, Thing
from tocsin.core.rotation import DAY, WEEK, RecurringShift
from tocsin.core.schedule import Layer, is_layered, to_layers
from tocsin.service import access, browsing, coverage, rota
from tocsin.service import schedules as service
from tocsin.service.audit import Deed
from tocsin.service.browsing import Names
from tocsin.service.schedules import AskedLayer
from tocsin.store import schedules as store
from tocsin.store.db import Tx
from tocsin.store.schedules import Loaded
from tocsin.store.tables.people import team
from tocsin.store.tables.schedules import schedule
from tocsin.web import rota as look
from tocsin.web.drawing import Block, Track, rota_board, rota_rows
from tocsin.web.forms import Entry
from tocsin.web.pages.me import ZONES
from tocsin.web.visit import PREFIX, Page, View, Visit

WALL: Final = "%Y-%m-%dT%H:%M"
PREVIEW_DAYS: Final = 14
CROWDED_DAYS: Final = 7
"""Days the pictures of a preview show, and when hand-offs are so many that names would have no room."""
PREVIEW_WEEKS: Final = 4
"""Weeks in which a preview looks for changes and gaps."""
CHANGES_SHOWN: Final = 10
HOURS_MOST: Final = 40
"""Rows of hours of one layer."""
DAYS_SHORT: Final = tuple((str(number), name[:3]) for number, name in enumerate(handover.DAYS, start=1))
UNITS: Final = ("hours", "days", "weeks")
LATER: Final = (("0", "the same day"), ("1", "the next day"), *((str(n), f"{n} days later") for n in range(2, 8)))
OFFICE: Final = ("1", "2", "3", "4", "5")


# --- The form --------------------------------------------------------------------------------------------------------


@dataclass
class HoursForm:
    """A row of hours as typed: weekdays by number, two times of day, and how many days later the second one is."""

    days: list[str] = field(default_factory=list)
    start: str = "09:00"
    end: str = "17:00"
    later: str = "0"


@dataclass
class LayerForm:
    """A layer as typed. `id` is empty for a new one; `begun` when its start is past and stays as it is."""

    id: str = ""
    name: str = ""
    people: list[str] = field(default_factory=list)
    every: str = "1"
    unit: str = "weeks"
    time: str = "09:00"
    day: str = "1"
    start: str = ""
    end: str = ""
    begun: bool = False
    hours: list[HoursForm] = field(default_factory=list)


@dataclass
class Form:
    """The whole editor as typed; the highest layer is first."""

    name: str = ""
    description: str = ""
    team: str = ""
    time_zone: str = ""
    layers: list[LayerForm] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Tells whether what is saved is what was previewed."""
        return hashlib.blake2s(repr(self).encode(), digest_size=12).hexdigest()


def form_of(row: sa.Row[Any], layers: Sequence[Layer], now: datetime) -> Form:
    """A saved schedule as the form; layers that are over are left out, and stay as they are."""
    zone = zone_named(row.time_zone)
    alive = [layer for layer in reversed(layers) if layer.end is None or layer.end > now]
    return Form(row.name or "", row.description or "", row.team_id or "", row.time_zone, [_layer_form(layer, zone, now) for layer in alive])


def _layer_form(layer: Layer, zone: ZoneInfo, now: datetime) -> LayerForm:
    rhythm = handover.rhythm_of(layer.turn_seconds, layer.virtual_start, zone)
    return LayerForm(
        id=layer.id,
        name=layer.name,
        people=[*layer.user_ids],
        every=str(rhythm.every),
        unit=rhythm.unit,
        time=handover.clock_words(rhythm.second_of_day),
        day=str(rhythm.weekday),
        start=f"{layer.start.astimezone(zone):{WALL}}",
        end=f"{layer.end.astimezone(zone):{WALL}}" if layer.end else "",
        begun=layer.start <= now,
        hours=[_hours_form(one) for one in handover.hours_of(layer.restrictions)],
    )


def _hours_form(one: Hours) -> HoursForm:
    later, clock = divmod(one.start_second + one.seconds, DAY)
    return HoursForm([str(day) for day in sorted(one.days)], handover.clock_words(one.start_second), handover.clock_words(clock), str(later))


def posted(entry: Entry) -> Form:
    """The form as it was posted; whoever was chosen to be added to a layer is added."""
    form = Form(entry.typed("name"), entry.typed("description"), entry.typed("team"), entry.typed("time_zone"))
    for number in range(_count(entry, "layers", service.LAYERS_MOST)):
        at = f"l{number}_"
        people = [one.replace("\0", "") for one in entry.posted.getlist(f"{at}people") if isinstance(one, str)]
        added = entry.typed(f"{at}add")
        layer = LayerForm(
            id=entry.typed(f"{at}id"), name=entry.typed(f"{at}name"), people=[*people, *([added] if added else [])],
            every=entry.typed(f"{at}every"), unit=entry.typed(f"{at}unit"), time=entry.typed(f"{at}time"), day=entry.typed(f"{at}day"),
            start=entry.typed(f"{at}start"), end=entry.typed(f"{at}end"), begun=bool(entry.typed(f"{at}begun")),
        )  # fmt: skip
        for row in range(_count(entry, f"{at}hours", HOURS_MOST)):
            place = f"{at}h{row}_"
            layer.hours.append(HoursForm(entry.many(f"{place}days"), entry.typed(f"{place}start"), entry.typed(f"{place}end"), entry.typed(f"{place}later")))
        form.layers.append(layer)
    return form


def _count(entry: Entry, name: str, most: int) -> int:
    text = entry.typed(name)
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def rearranged(form: Form, verb: str, now: datetime) -> None:
    """Do what a button of the form says to the form itself: nothing is saved."""
    word, *places = verb.split(":")
    at = [int(place) for place in places if place.isascii() and place.isdigit() and len(place) < 6]
    if word == "layer-add":
        form.layers.insert(0, LayerForm(name=f"Layer {len(form.layers) + 1}"))
        return
    if not at or at[0] >= len(form.layers):
        return
    layers, number = form.layers, at[0]
    layer = layers[number]
    zone = _zone(form)
    if word == "layer-up" and number:
        layers[number - 1 : number + 1] = [layer, layers[number - 1]]
    elif word == "layer-down" and number + 1 < len(layers):
        layers[number : number + 2] = [layers[number + 1], layer]
    elif word == "layer-drop" and not layer.id:
        del layers[number]
    elif word == "layer-end" and zone is not None:
        layer.end = f"{now.astimezone(zone):{WALL}}"
    elif word == "hours-add":
        layer.hours.append(HoursForm([*OFFICE]))
    elif len(at) > 1 and word == "hours-drop" and at[1] < len(layer.hours):
        del layer.hours[at[1]]
    elif len(at) > 1 and at[1] < len(layer.people):
        person = at[1]
        if word == "person-drop":
            del layer.people[person]
        elif word == "person-up" and person:
            layer.people[person - 1 : person + 1] = reversed(layer.people[person - 1 : person + 1])
        elif word == "person-down":
            layer.people[person : person + 2] = reversed(layer.people[person : person + 2])


def _zone(form: Form) -> ZoneInfo | None:
    try:
        return zone_named(form.time_zone)
    except ValueError:
        return None


# --- What the form asks for ------------------------------------------------------------------------------------------


@dataclass
class _Reading:
    """Reads the form's layers in the service's words, noting what is wrong beside each field."""

    entry: Entry
    zone: ZoneInfo
    old_zone: ZoneInfo | None
    known: Mapping[str, Layer]
    shifts: Mapping[str, RecurringShift]
    now: datetime

    def layer(self, number: int, one: LayerForm) -> AskedLayer:
        at = f"l{number}_"
        old = self.known.get(one.id)
        if not one.people:
            self.entry.problem(f"{at}add", f"Add somebody to {one.name or 'this layer'}: a layer of nobody pages nobody")
        if len(one.name) > service.NAME_MOST:
            self.entry.problem(f"{at}name", f"Shorten the name to {service.NAME_MOST} characters")
        rhythm = self.rhythm(at, one)
        restrictions = handover.restrictions_of([found for row, typed in enumerate(one.hours) if (found := self.hours(f"{at}h{row}_", typed))])
        end = self.instant(f"{at}end", one.end, "the end", old.end if old else None)
        now = self.now.replace(microsecond=0)
        if old is None:
            start = (self.instant(f"{at}start", one.start, "the start", None) if one.start else None) or now
            if end is not None and end <= start:
                self.entry.problem(f"{at}end", "A layer must end after it starts")
            return AskedLayer(
                name=one.name.strip() or None, start=start, virtual_start=handover.anchored(rhythm, start, self.zone), turn_seconds=rhythm.seconds,
                user_ids=tuple(one.people), restrictions=restrictions, end=end, ends=True,
            )  # fmt: skip
        start = old.start if old.start <= now else self.instant(f"{at}start", one.start, "the start", old.start) or now
        same_hours = self.old_zone is not None and handover.hours_of(old.restrictions) == handover.hours_of(restrictions)
        return AskedLayer(
            id=old.id,
            name=one.name.strip() or None,
            start=None if start == old.start else start,
            user_ids=tuple(one.people),
            restrictions=None if same_hours else restrictions,
            end=end,
            ends=True,
            **self.turns(old, rhythm, one, max(now, start)),
        )

    def turns(self, old: Layer, rhythm: Rhythm, one: LayerForm, moment: datetime) -> dict[str, Any]:
        """New turns if they were changed: they begin so that whoever's turn it is keeps it."""
        assert self.old_zone is not None  # there is an old layer
        was = handover.rhythm_of(old.turn_seconds, old.virtual_start, self.old_zone)
        if rhythm.unit != "weeks":
            was = replace(was, weekday=rhythm.weekday)
        if was == rhythm and self.old_zone == self.zone:
            return {}
        place = handover.place_of_turn(self.shifts[old.id], one.people, moment, self.old_zone)
        return {"turn_seconds": rhythm.seconds, "virtual_start": handover.anchored(rhythm, moment, self.zone, place)}

    def rhythm(self, at: str, one: LayerForm) -> Rhythm:
        every = int(one.every) if one.every.isascii() and one.every.isdigit() and 0 < len(one.every) < 9 else 0
        unit = one.unit if one.unit in handover.UNITS else "weeks"
        if not service.TURN_LEAST <= every * handover.UNITS[unit] <= service.TURN_MOST:
            self.entry.problem(f"{at}every", "A turn lasts between one hour and 365 days: enter a whole number")
            every, unit = 1, "weeks"
        second = self.clock(f"{at}time", one.time, "when turns are handed over")
        return Rhythm(every, unit, second, int(one.day) if one.day in dict(DAYS_SHORT) else 1)

    def hours(self, at: str, one: HoursForm) -> Hours | None:
        days = frozenset(int(day) for day in one.days if day in dict(DAYS_SHORT))
        start, end = self.clock(f"{at}start", one.start, "when these hours begin"), self.clock(f"{at}end", one.end, "when these hours end")
        if not days:
            self.entry.problem(f"{at}days", "Tick at least one day, or take these hours away")
            return None
        later = int(one.later) if one.later in dict(LATER) else 0
        seconds = later * DAY + end - start
        if seconds <= 0 and later == 0:
            seconds += DAY  # until a time before the beginning means the next day
        if not 0 < seconds < WEEK:
            self.entry.problem(f"{at}end", "Hours must last less than a week")
            return None
        return Hours(days, start, seconds)

    def clock(self, name: str, text: str, words: str) -> int:
        try:
            hours, minutes, *rest = (int(part) for part in text.split(":"))
            seconds = rest[0] if rest else 0
        except ValueError:
            hours = -1
        if hours < 0 or hours > 23 or not 0 <= minutes < 60 or not 0 <= seconds < 60:
            self.entry.problem(name, f"Enter {words} as a time of day, like 09:00")
            return 0
        return hours * 3600 + minutes * 60 + seconds

    def instant(self, name: str, text: str, words: str, was: datetime | None) -> datetime | None:
        if not text:
            return None
        if was is not None and f"{was.astimezone(self.zone):{WALL}}" == text:
            return was
        try:
            found = parse_instant(text, zone=self.zone)
        except (ValueError, OverflowError):
            self.entry.problem(name, f"Enter {words} as a day and a time, or leave it empty")
            return None
        if found.year not in look.YEARS:
            self.entry.problem(name, f"Enter {words} in the years {look.YEARS.start} to {look.YEARS.stop - 1}")
            return None
        return found


def asked_layers(entry: Entry, form: Form, known: Loaded | None, now: datetime) -> list[AskedLayer]:
    """The layers that the form asks for, lowest first; what is wrong is noted in `entry`."""
    zone = _zone(form)
    if zone is None:
        entry.problem("time_zone", "Choose a time zone")
        return []
    model = known.schedule.model if known is not None and known.schedule.versions else None
    layers = to_layers(model) if model is not None else ()
    shifts = {rotation.id: rotation.shifts[0] for rotation in model.rotations} if model is not None else {}
    old_zone = zone_named(model.time_zone) if model is not None else None
    reading = _Reading(entry, zone, old_zone, {layer.id: layer for layer in layers}, shifts, now)
    return [reading.layer(number, one) for number, one in enumerate(form.layers)][::-1]


def asked_columns(tx: Tx, visit: Visit, form: Form) -> dict[str, Any]:
    """Name, description and team as the form asks for them; what is wrong is noted beside the field."""
    entry = visit.entry
    name = entry.text("name", "a name", least=1, most=service.NAME_MOST)
    description = entry.text("description", "the description", most=service.DESCRIPTION_MOST)
    if form.team:
        try:
            access.find(tx, visit.who, "team", team, form.team)
        except Refusal:
            entry.problem("team", "Choose a team that is there")
    return {"name": name, "description": description or None, "team_id": form.team or None}


# --- Showing it ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draft:
    """What was typed, how it stands to what is saved, and what is to be said of it. `row` is None for a new schedule.

    is_quiet  somebody is still at it: what is missing is said where the preview will be, and nothing is marked as wrong
    """

    form: Form
    row: sa.Row[Any] | None
    known: Loaded | None
    base: str
    asked: list[AskedLayer]
    problem: str = ""
    note: str = ""
    is_quiet: bool = False


def base_of(row: sa.Row[Any], known: Loaded) -> str:
    """Tells one saved state of a schedule from another."""
    number = known.schedule.versions[-1].number if known.schedule.versions else 0
    return f"{number}.{times.iso(row.updated_at)}.{row.updated_at.microsecond}"


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    """The page as it is first opened."""
    row, known = _found(visit, tx)
    if row is None or known is None:
        form = Form(time_zone=visit.zone.key, layers=[LayerForm(name="Layer 1")])
        return shown(visit, tx, Draft(form, None, None, "", []), is_first=True)
    form = form_of(row, to_layers(known.schedule.model) if known.schedule.versions else (), visit.now)
    return shown(visit, tx, Draft(form, row, known, base_of(row, known), []), is_first=True)


def _found(visit: Visit, tx: Tx, action: str = UPDATE) -> tuple[sa.Row[Any] | None, Loaded | None]:
    """The schedule of the address with all there is of it; None twice for a new one. Raises a Refusal."""
    if "id" not in visit.request.path_params:
        access.allow(visit.who, CREATE, Thing("schedule"))
        return None, None
    row = access.find(tx, visit.who, "schedule", schedule, visit.segment("id"))
    access.allow(visit.who, action, access.thing_of("schedule", row))
    known = store.load(tx, row.id)
    assert known is not None  # its row was just read
    if row.is_shift_based or (known.schedule.versions and not is_layered(known.schedule.model)):
        raise invalid("This schedule is made of rotations that layers cannot say: change it through the API (/v3/schedules)")
    return row, known


def shown(visit: Visit, tx: Tx, draft: Draft, *, is_first: bool = False) -> Mapping[str, Any]:
    """Everything the page shows, with the preview of what would change if the form can be read."""
    names, tones = browsing.user_names(tx), rota.tones(tx)
    form, problem, preview, missing = draft.form, draft.problem, None, []
    if not is_first and visit.entry.is_good:
        try:
            preview = _preview(visit, tx, draft, names, tones)
        except Refusal as refusal:
            if refusal.status != 400:
                raise
            problem = problem or look.words_of(refusal)
    if draft.is_quiet:
        missing = [*visit.entry.problems.values(), *([problem] if problem else [])]
        visit.entry.problems.clear()
        problem = ""
    units = [*UNITS, *(unit for unit in ("minutes", "seconds") if any(layer.unit == unit for layer in form.layers))]
    ended = to_layers(draft.known.schedule.model) if draft.known is not None and draft.known.schedule.versions else ()
    return {
        "form": form,
        "schedule": draft.row,
        "base": draft.base,
        "seen": form.digest if preview is not None else "",
        "preview": preview,
        "problem": problem,
        "missing": missing,
        "note": draft.note,
        "user_name": names,
        "tones": tones,
        "people": [(one.id, one.name) for one in browsing.users(tx, visit.who)],
        "teams": browsing.teams(tx, visit.who),
        "zones": ZONES,
        "units": units,
        "weekdays": [(str(number), name) for number, name in enumerate(handover.DAYS, start=1)],
        "days_short": DAYS_SHORT,
        "later": LATER,
        "ended": [layer.name for layer in ended if layer.end is not None and layer.end <= visit.now],
        "may_delete": draft.row is not None and permission.may(visit.who, DELETE, access.thing_of("schedule", draft.row)).allowed,
        "back": f"{PREFIX}/schedules/{draft.row.id}" if draft.row is not None else f"{PREFIX}/schedules",
    }


def _preview(visit: Visit, tx: Tx, draft: Draft, names: Names, tones: Mapping[str, int]) -> dict[str, Any]:
    """What saving would change: who, when, and which gaps it opens or closes."""
    now = visit.now.replace(second=0, microsecond=0)
    zone = zone_named(draft.form.time_zone)
    after = service.previewed(tx, visit.deed, draft.row.id if draft.row is not None else None, draft.form.time_zone, draft.asked)
    ahead = Span(visit.now, visit.now + timedelta(weeks=PREVIEW_WEEKS))
    days, span = PREVIEW_DAYS, Span(now, now + timedelta(days=PREVIEW_DAYS))
    after_board = rota.board(after, span)
    if look.is_crowded(after_board):
        days, span = CROWDED_DAYS, Span(now, now + timedelta(days=CROWDED_DAYS))
        after_board = rota.board(after, span)
    painter = look.Painter(names, tones, zone, visit.now)
    is_new = draft.row is None or draft.known is None or not draft.known.schedule.versions
    tracks = [Track("Then" if not is_new else "Final schedule", painter.final(after_board.entries, after_board.gaps), "final")]
    changes: Sequence[rules.Difference] = ()
    effects: list[coverage.Change] = []
    gaps_before: tuple[Span, ...] = ()
    if not is_new and draft.known is not None:
        before = Loaded(replace(after.schedule, versions=after.schedule.versions[:-1]), after.overrides)
        before_board = rota.board(before, span)
        changes = rules.differences(before.schedule, after.schedule, after.overrides, ahead)
        effects = coverage.would_change(tx, visit.who, after, ahead)
        gaps_before = rota.gaps_of(rules.timeline(before.schedule, before.overrides, ahead))
        tracks.insert(0, Track("Now", painter.final(before_board.entries, before_board.gaps), "final"))
        tracks.append(Track("What changes", _changed(painter, changes, span), "changes"))
    looked = look.Looking(now.astimezone(zone).date(), days, zone, "", now.astimezone(zone).date())
    gaps = rota.gaps_of(rules.timeline(after.schedule, after.overrides, ahead))
    return {
        "board": rota_board(tracks, span, visit.now, zone, name="Who is on call now and then, side by side; the list says what changes"),
        "days": rota_rows(painter.final(after_board.entries, after_board.gaps), look.rows_of(looked, 1), visit.now, zone, name="Who would be on call, a day a row", is_wide=False),
        "painter": painter,
        "changes": (grouped := together(changes))[:CHANGES_SHOWN],
        "more": max(len(grouped) - CHANGES_SHOWN, 0),
        "change_count": len(changes),
        "effects": effects,
        "gaps": gaps,
        "opened": rota.beyond(gaps, gaps_before),
        "closed": rota.beyond(gaps_before, gaps),
        "weeks": PREVIEW_WEEKS,
        "is_new": is_new,
        "now_before": _on_call(draft.known, after, visit.now, names) if not is_new else "",
        "now_after": _on_call(after, after, visit.now + timedelta(seconds=1), names),
        "lasting": human_duration,
        "zone": zone.key,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Repeated:
    """Changes of the same people for the same others, told together: the first, how many there are, how long they last in all."""

    first: rules.Difference
    count: int
    lasting: timedelta


def together(changes: Sequence[rules.Difference]) -> list[Repeated]:
    """A change that comes back every day is told once."""
    found: dict[tuple[object, object], list[rules.Difference]] = {}
    for one in changes:
        found.setdefault((one.before, one.after), []).append(one)
    return [Repeated(same[0], len(same), sum((one.end - one.start for one in same), timedelta())) for same in found.values()]


def _changed(painter: look.Painter, changes: Sequence[rules.Difference], span: Span) -> tuple[Block, ...]:
    found = []
    for one in changes:
        if one.start < span.end and one.end > span.start:
            who = " and ".join(painter.names(user_id) for user_id in one.after) or "Nobody"
            instead = " and ".join(painter.names(user_id) for user_id in one.before) or "nobody"
            kind = painter.kind(one.after[0]) if one.after else "gap"
            labels = painter.labels(one.after[0]) if one.after else ("Nobody",)
            found.append(Block(one.start, one.end, kind, labels, "", painter.says(one.start, one.end, f"{who} instead of {instead}")))
    return tuple(found)


def _on_call(known: Loaded | None, after: Loaded, at: datetime, names: Names) -> str:
    if known is None:
        return ""
    return " and ".join(names(one.user_id) for one in rules.on_call_at(known.schedule, after.overrides, at))


# --- Doing it --------------------------------------------------------------------------------------------------------


def act(visit: Visit) -> Response:
    """Rearrange the form, show what it would change, or save it."""
    verb = visit.entry.typed("do")
    if verb == "delete":
        return _delete(visit)
    form = posted(visit.entry)
    rearranged(form, verb, visit.now)
    if verb == "save":
        return _save(visit, form)
    with visit.front.db.read() as tx:
        return _again(visit, tx, form, status=200, is_quiet=verb != "preview")


def _again(
    visit: Visit, tx: Tx, form: Form, *, status: int, problem: str = "", note: str = "", base: str = "", is_quiet: bool = False
) -> Response:
    row, known = _found(visit, tx)
    draft = _drafted(visit, tx, form, row, known)
    told = shown(visit, tx, replace(draft, problem=problem, note=note, base=base or visit.entry.typed("base"), is_quiet=is_quiet))
    return visit.page("schedule-editor.html", told, status=status)


def _drafted(visit: Visit, tx: Tx, form: Form, row: sa.Row[Any] | None, known: Loaded | None) -> Draft:
    asked_columns(tx, visit, form)
    return Draft(form, row, known, "", asked_layers(visit.entry, form, known, visit.now))


def _save(visit: Visit, form: Form) -> Response:
    """Save what was previewed; otherwise the preview first. Raises a Refusal that is no 400."""
    entry, problem, note, base, status = visit.entry, "", "", "", 422
    try:
        with visit.front.db.write() as tx:
            row, known = _locked(visit, tx)
            columns = asked_columns(tx, visit, form)
            asked = asked_layers(entry, form, known, visit.now)
            base = base_of(row, known) if row is not None and known is not None else ""
            if not entry.is_good:
                pass
            elif base != entry.typed("base"):
                status, note = 409, _who_saved(tx, row) + ". What you typed is still here. Below is what it would change of what is saved now; save again to put yours over it."
            elif form.digest != entry.typed("seen"):
                status, note = 200, "Look at what this changes, then save."
            else:
                schedule_id = _kept(tx, visit.deed, row, columns, form, asked)
                return visit.go(f"{PREFIX}/schedules/{schedule_id}", said=f"{columns['name']} is saved")
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        problem = look.words_of(refusal)
    with visit.front.db.read() as tx:
        return _again(visit, tx, form, status=status, problem=problem, note=note, base=base)


def _locked(visit: Visit, tx: Tx) -> tuple[sa.Row[Any] | None, Loaded | None]:
    """The schedule, locked so that nobody saves it between looking and saving."""
    if "id" in visit.request.path_params:
        access.find(tx, visit.who, "schedule", schedule, visit.segment("id"), UPDATE)
    return _found(visit, tx)


def _kept(tx: Tx, deed: Deed, row: sa.Row[Any] | None, columns: Mapping[str, Any], form: Form, asked: list[AskedLayer]) -> str:
    if row is None:
        return service.create(tx, deed, time_zone=form.time_zone, layers=asked, **columns)
    service.change(tx, deed, row.id, columns, time_zone=form.time_zone, layers=asked)
    return str(row.id)


def _who_saved(tx: Tx, row: sa.Row[Any] | None) -> str:
    name = rota.last_saved_by(tx, row.id) if row is not None else ""
    return f"{name or 'Somebody'} saved this schedule while you were at it"


def _delete(visit: Visit) -> Response:
    try:
        with visit.front.db.write() as tx:
            row = access.find(tx, visit.who, "schedule", schedule, visit.segment("id"), DELETE)
            service.delete(tx, visit.deed, row.id)
            return visit.go(f"{PREFIX}/schedules", said=f"{row.name} is gone")
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        problem = look.words_of(refusal)
    with visit.front.db.read() as tx:
        return visit.page("schedule-editor.html", {**facts(visit, tx), "problem": problem}, status=422)


PAGES = (
    Page("/schedules/new", View("schedule-editor.html", facts), act),
    Page("/schedules/{id}/edit", View("schedule-editor.html", facts), act),
)
