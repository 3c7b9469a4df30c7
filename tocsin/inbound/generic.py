"""Any JSON with a mapping: where in the sender's document each field is, and which exact values mean what.

Laws:
1. Values are compared whole (`"ok"` never matches `"not ok"` or `"broken"`); case does not count.
2. A value that the mapping does not name is the mapping's default, and the default of the default is `trigger`: a page
   too many beats a silence.
3. A stored event holds the mapping it was accepted with, so that it reads the same later (null: the default one).

The integration's settings: `{"mapping": {field: path | [path, …] | {"path": …, "values": {…}, "default": …}}}` with the
fields of `FIELDS`, and `"events"`: the path of an array when one request carries several. A path is written like
`$.alert.labels['host name'][0]`. Without a mapping, `DEFAULT_MAPPING` is used.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from tocsin.base import json
from tocsin.inbound import severity, wording
from tocsin.inbound.events_v2 import stored_document
from tocsin.inbound.spec import ACTIONS, Accepted, AlertEvent, ChangeEvent, Payload, Reader, Unreadable

FIELDS: Final = (
    "summary", "severity", "source", "dedup_key", "action", "timestamp", "component", "group", "class", "client", "client_url"
)  # fmt: skip

DEFAULT_MAPPING: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "summary": ["$.payload.summary", "$.summary", "$.title", "$.description", "$.message"],
        "severity": {"path": ["$.payload.severity", "$.severity"], "values": dict(severity.NAMES)},
        "source": ["$.payload.source", "$.source", "$.host"],
        "dedup_key": ["$.dedup_key", "$.id"],
        "action": {
            "path": ["$.event_action", "$.action", "$.status"],
            "values": {
                "acknowledge": "acknowledge",
                "acknowledged": "acknowledge",
                "resolve": "resolve",
                "resolved": "resolve",
            },
        },
        "timestamp": ["$.payload.timestamp", "$.timestamp"],
        "component": ["$.payload.component", "$.component"],
        "group": ["$.payload.group", "$.group"],
        "class": ["$.payload.class", "$.class"],
        "client": "$.client",
        "client_url": ["$.client_url", "$.url"],
    }
)

_STEP: Final = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d{1,6})\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")
MAX_EVENTS: Final = 1000
"""Events that one request may carry through the `events` path."""


def steps(path: str) -> list[str | int]:
    """A path taken apart. Raises ValueError, saying what is wrong, when it is none."""
    if not path.startswith("$"):
        raise ValueError(f"the path '{path[:64]}' must start with $, like $.alert.title")
    found: list[str | int] = []
    at = 1
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise ValueError(f"the path '{path[:64]}' cannot be read from its character {at + 1} on")
        name, number, single, double = step.groups()
        found.append(
            int(number) if number is not None else next(part for part in (name, single, double) if part is not None)
        )
        at = step.end()
    return found


def value_at(document: Any, path: str) -> Any:
    """What is at this path; None when there is nothing."""
    for step in steps(path):
        if isinstance(step, int):
            document = document[step] if isinstance(document, list) and step < len(document) else None
        else:
            document = document.get(step) if isinstance(document, dict) else None
        if document is None:
            return None
    return document


def _paths(rule: Any) -> Sequence[str]:
    if isinstance(rule, Mapping):
        rule = rule.get("path", ())
    return [rule] if isinstance(rule, str) else list(rule or ())


def _found(document: Any, rule: Any) -> Any:
    return next((value for path in _paths(rule) if not wording.is_blank(value := value_at(document, path))), None)


def _text(value: Any) -> str | None:
    return None if value is None else wording.optional_text(value)


def _named(value: Any, rule: Any, default: str) -> str:
    """The house's word for a sender's value (laws 1 and 2)."""
    values = rule.get("values", {}) if isinstance(rule, Mapping) else {}
    fallback = rule.get("default", default) if isinstance(rule, Mapping) else default
    text = _text(value)
    if text is None:
        return str(fallback)
    folded = text.strip().casefold()
    return str(next((ours for theirs, ours in values.items() if theirs.casefold() == folded), fallback))


def action_of(document: Any, mapping: Mapping[str, Any]) -> str:
    """trigger, acknowledge or resolve. A plain path (no `values`) must hold one of these words itself."""
    rule = mapping.get("action")
    plain = {"path": _paths(rule), "values": {action: action for action in ACTIONS}}
    return _named(_found(document, rule), rule if isinstance(rule, Mapping) else plain, "trigger")


def severity_of(document: Any, mapping: Mapping[str, Any]) -> str:
    """One of PagerDuty's four; without `values` the house's own table of words is used."""
    rule = mapping.get("severity")
    if isinstance(rule, Mapping):
        return _named(_found(document, rule), rule, severity.DEFAULT)
    return severity.severity_of(_found(document, rule))


def mapping_of(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The mapping of an integration, or the default one."""
    mapping = settings.get("mapping")
    return mapping if isinstance(mapping, Mapping) and mapping else DEFAULT_MAPPING


def check(payload: Payload) -> list[Accepted]:
    """Accept every event of the request, or raise `Unreadable`."""
    document = wording.document(payload.body)
    mapping = mapping_of(payload.settings)
    wrong = verify({"mapping": mapping})
    if wrong:
        raise Unreadable([f"The integration's mapping is not sound: {sentence}" for sentence in wrong])
    pieces = [document]
    if "events" in mapping:
        pieces = _found(document, mapping["events"])
        if not isinstance(pieces, list) or not pieces:
            raise Unreadable([f"There is no array of events at {mapping['events']}"])
        if len(pieces) > MAX_EVENTS:
            raise Unreadable([f"One request may carry at most {MAX_EVENTS} events"])
    accepted, errors = [], []
    for piece in pieces:
        key, summary, action = (_text(_found(piece, mapping.get(name))) for name in ("dedup_key", "summary", "action"))
        action = action_of(piece, mapping)
        if action == "trigger" and summary is None:
            errors.append(f"'summary' is missing or blank (looked for at {', '.join(_paths(mapping.get('summary')))})")
        if action != "trigger" and key is None:
            errors.append(
                f"'dedup_key' is missing or blank (looked for at {', '.join(_paths(mapping.get('dedup_key')))})"
            )
        errors += wording.dedup_key_faults(key, "dedup_key") if key else []
        raw = json.encode({"mapping": None if mapping is DEFAULT_MAPPING else mapping, "body": piece})
        accepted.append(Accepted(payload.routing_key, action, key, wording.cut(summary) if summary else None, raw))
    if errors:
        raise Unreadable(list(dict.fromkeys(errors)))
    return accepted


def read(payload: Payload) -> list[AlertEvent | ChangeEvent]:
    """One stored event in the house's words."""
    stored = stored_document(payload.body)
    mapping, document = stored["mapping"] or DEFAULT_MAPPING, stored["body"]
    found = {name: _text(_found(document, mapping.get(name))) for name in FIELDS}
    summary = found["summary"] or ""
    action = action_of(document, mapping)
    return [
        AlertEvent(
            action=next(known for known in ACTIONS if known == action),
            routing_key=payload.routing_key,
            dedup_key=payload.dedup_key or found["dedup_key"] or "",
            summary=wording.cut(summary),
            source=found["source"],
            severity=severity_of(document, mapping),
            timestamp=wording.instant_or_none(found["timestamp"]),
            component=found["component"],
            group=found["group"],
            class_=found["class"],
            details=wording.with_full_summary(wording.details_of(document), summary),
            client=found["client"],
            client_url=found["client_url"],
        )
    ]


def verify(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with an integration's mapping, in sentences."""
    mapping = settings.get("mapping")
    if mapping is None:
        return []
    if not isinstance(mapping, Mapping):
        return ["'mapping' must be an object of fields and paths"]
    errors = [
        f"'{name}' is no field: known are {', '.join(FIELDS)} and events"
        for name in mapping
        if name not in (*FIELDS, "events")
    ]
    if mapping and "summary" not in mapping:
        errors.append("'summary' needs a path: every alert must say something")
    for name, rule in mapping.items():
        errors += [f"'{name}': {sentence}" for sentence in _rule_faults(name, rule)]
    return errors


_WORDS: Final = {"action": ACTIONS, "severity": ("critical", "error", "warning", "info")}


def _rule_faults(name: str, rule: Any) -> list[str]:
    if not isinstance(rule, (str, list, tuple, Mapping)) or not all(isinstance(path, str) for path in _paths(rule)):
        return ["must be a path, a list of paths, or an object with 'path', 'values' and 'default'"]
    errors = []
    for path in _paths(rule):
        try:
            steps(path)
        except ValueError as error:
            errors.append(str(error))
    if isinstance(rule, Mapping):
        values = rule.get("values", {})
        if name not in _WORDS:
            return [*errors, "only 'action' and 'severity' translate values"] if "values" in rule else errors
        if not isinstance(values, Mapping) or not all(isinstance(word, str) for word in values):
            return [*errors, "'values' must be an object from the sender's texts to ours"]
        chosen = [*values.values(), *([rule["default"]] if "default" in rule else [])]
        errors += [f"'{word}' must be one of {', '.join(_WORDS[name])}" for word in chosen if word not in _WORDS[name]]
    return errors


READER: Final = Reader(name="generic", label="Generic JSON", check=check, read=read, verify=verify)
