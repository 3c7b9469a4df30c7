"""What an e-mail integration does with a mail: its filters, its parsers, and what opens an incident (BEHAVIOUR 1.5).

Laws:
1. The rules are the integration's settings under `EMAIL`; what they do not say has a default that opens rather than hides.
2. Regular expressions are RE2's (core/pattern.py), looked for in the decoded subject, body or sender's address, anywhere in it.
3. Where a mail has several senders, a condition on the sender holds when it holds for one of them.
4. What is left out says why: which filter, or that no parser took it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from tocsin.core.pattern import pattern
from tocsin.inbound.mail import Mail
from tocsin.inbound.spec import LeftOut

EMAIL: Final = "email"
"""Where in an integration's settings its rules are."""

ON_EACH: Final = "on_new_email"
ON_SUBJECT: Final = "on_new_email_subject"
WHEN_NONE_OPEN: Final = "only_if_no_open_incidents"
BY_RULES: Final = "use_rules"
CREATIONS: Final = (ON_EACH, ON_SUBJECT, WHEN_NONE_OPEN, BY_RULES)
FILTER_MODES: Final = ("all-email", "or-rules-email", "and-rules-email")
FALLBACKS: Final = ("open_new_incident", "discard")
DEFAULTS: Final[Mapping[str, Any]] = {
    "email_incident_creation": ON_SUBJECT, "email_filter_mode": FILTER_MODES[0], "email_parsing_fallback": FALLBACKS[0],
    "email_filters": [], "email_parsers": [],
}  # fmt: skip
"""The rules of an integration that says nothing."""

FILTERS_MOST: Final = 50
PARSERS_MOST: Final = 100
EXTRACTORS_MOST: Final = 20
TREE_MOST: Final = 100
"""Conditions in one predicate."""
TREE_DEEPEST: Final = 10
TEXT_MOST: Final = 2_000
"""Characters of a text to look for."""

_FILTERED: Final = {"subject": "the subject", "body": "the body", "from_email": "the sender"}
_MODES: Final = ("match", "no-match", "always")
PARTS: Final = ("body", "subject", "from_addresses")
_GROUPS: Final = ("all", "any", "not")
_LEAVES: Final = ("contains", "exactly", "regex")
_KEY: Final = "incident_key"


@dataclass(frozen=True, slots=True)
class Taken:
    """What the rules make of a mail.

    key     the incident's key that a parser found; None: by the way the integration opens incidents
    values  what the parser found besides
    """

    action: Literal["trigger", "resolve"]
    key: str | None = None
    values: Mapping[str, str] | None = None


def rules_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The rules of an integration, with the defaults for what it does not say."""
    return {**DEFAULTS, **(settings.get(EMAIL) or {})}


def judge(rules: Mapping[str, Any], mail: Mail) -> Taken:
    """What becomes of a mail. Raises LeftOut."""
    _filter(rules, mail)
    if rules["email_incident_creation"] != BY_RULES:
        return Taken("trigger")
    for parser in rules["email_parsers"]:
        if not holds(parser["match_predicate"], mail):
            continue
        values = {one["value_name"]: extracted(one, mail) for one in parser["value_extractors"]}
        key = values.pop(_KEY, None)
        if key:
            return Taken(parser["action"], key, {name: value for name, value in values.items() if value is not None})
    if rules["email_parsing_fallback"] == "discard":
        raise LeftOut("no parser of its integration took it, and the integration discards such mails (email_parsing_fallback)")
    return Taken("trigger")


# ------------------------------------------------------------------------------------------------------------- filters


def _filter(rules: Mapping[str, Any], mail: Mail) -> None:
    filters: Sequence[Mapping[str, Any]] = rules["email_filters"]
    if rules["email_filter_mode"] == FILTER_MODES[0] or not filters:
        return
    faults = [_fault(one, mail) for one in filters]
    if rules["email_filter_mode"] == "or-rules-email":
        if all(faults):
            raise LeftOut(f"no filter of its integration lets it through: {faults[0]}" + (f", and {len(faults) - 1} more" if faults[1:] else ""))
        return
    for number, fault in enumerate(faults, 1):
        if fault:
            raise LeftOut(f"filter {number} of its integration does not let it through: {fault}")


def _fault(one: Mapping[str, Any], mail: Mail) -> str:
    """Why a filter does not let a mail through; empty when it does."""
    for name, words in _FILTERED.items():
        mode = one[f"{name}_mode"]
        if mode == "always":
            continue
        looked_for = pattern(one[f"{name}_regex"])
        texts = {"subject": (mail.subject,), "body": (mail.body,), "from_email": mail.senders or ("",)}[name]
        found = any(map(looked_for.is_in, texts))
        if found != (mode == "match"):
            return f"{words} {'does not match' if mode == 'match' else 'matches'} '{one[f'{name}_regex'][:100]}'"
    return ""


# ------------------------------------------------------------------------------------------------------------- parsers


def _texts(part: str, mail: Mail) -> tuple[str, ...]:
    return {"body": (mail.body,), "subject": (mail.subject,), "from_addresses": mail.senders or ("",)}[part]


def holds(predicate: Mapping[str, Any], mail: Mail) -> bool:
    """Whether a mail is one of those that a predicate describes."""
    kind = predicate["type"]
    if kind in _GROUPS:
        children = (holds(child, mail) for child in predicate["children"])
        return not any(children) if kind == "not" else all(children) if kind == "all" else any(children)
    wanted: str = predicate["matcher"]
    texts = _texts(predicate["part"], mail)
    if kind == "regex":
        return any(map(pattern(wanted).is_in, texts))
    if kind == "contains":
        return any(wanted in text for text in texts)
    return any(text.strip() == wanted.strip() for text in texts)


def extracted(extractor: Mapping[str, Any], mail: Mail) -> str | None:
    """What an extractor finds; None when it finds nothing."""
    for text in _texts(extractor["part"], mail):
        found = _found(extractor, text)
        if found is not None and found.strip():
            return found.strip()
    return None


def _found(extractor: Mapping[str, Any], text: str) -> str | None:
    match extractor["type"]:
        case "entire":
            return text
        case "regex":
            return pattern(extractor["regex"]).captured(text)
        case _:
            _, begins, rest = text.partition(extractor["starts_after"])
            found, ends, _ = rest.partition(extractor["ends_before"])
            return found if begins and ends else None


# ---------------------------------------------------------------------------------------------------- what is sensible


def normal(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Rules as they are kept, whatever they hold: what is null is not said, and `ends_with` is called `ends_before`."""
    kept = {name: value for name, value in rules.items() if value is not None}
    if isinstance(filters := kept.get("email_filters"), list):
        kept["email_filters"] = [_said(one) for one in filters]
    if isinstance(parsers := kept.get("email_parsers"), list):
        kept["email_parsers"] = [_normal_parser(one) for one in parsers]
    return kept


def _said(one: Any) -> Any:
    return {name: value for name, value in one.items() if value is not None and name != "id"} if isinstance(one, Mapping) else one


def _normal_parser(parser: Any) -> Any:
    parser = _said(parser)
    if not isinstance(parser, Mapping):
        return parser
    extractors = parser.get("value_extractors", [])
    if isinstance(extractors, list):
        extractors = [_normal_extractor(_said(one)) for one in extractors]
    return {**parser, "value_extractors": extractors, "match_predicate": _normal_predicate(parser.get("match_predicate"), 0)}


def _normal_extractor(one: Any) -> Any:
    if isinstance(one, Mapping) and "ends_with" in one:
        rest = {name: value for name, value in one.items() if name != "ends_with"}
        return {"ends_before": one["ends_with"], **rest}
    return one


def _normal_predicate(one: Any, depth: int) -> Any:
    one = _said(one)
    if not isinstance(one, Mapping) or depth > TREE_DEEPEST:
        return one
    children = one.get("children")
    if isinstance(children, list):
        return {**one, "children": [_normal_predicate(child, depth + 1) for child in children]}
    return one


def verify(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with the rules of an integration, in sentences."""
    if settings.get(EMAIL) is None:
        return []
    if not isinstance(settings[EMAIL], Mapping):
        return ["'email' must be an object"]
    rules = rules_of(settings)
    errors = [f"Email rules do not know '{name}'" for name in rules if name not in DEFAULTS]
    for name, allowed in (
        ("email_incident_creation", CREATIONS), ("email_filter_mode", FILTER_MODES), ("email_parsing_fallback", FALLBACKS),
    ):  # fmt: skip
        if rules[name] not in allowed:
            errors.append(f"{_label(name)} must be one of {', '.join(allowed)}")
    errors += _each(rules["email_filters"], "Email filter", FILTERS_MOST, _filter_faults)
    errors += _each(rules["email_parsers"], "Email parser", PARSERS_MOST, _parser_faults)
    if rules["email_incident_creation"] == BY_RULES and not rules["email_parsers"]:
        errors.append("Email parsers are needed when email_incident_creation is use_rules: at least one")
    return errors


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _each(value: Any, label: str, most: int, faults: Callable[[Mapping[str, Any]], list[str]]) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        return [f"{label}s must be an array of objects"]
    if len(value) > most:
        return [f"There may be at most {most} {label.lower()}s"]
    return [f"{label} {number}: {fault}" for number, one in enumerate(value, 1) for fault in faults(one)]


def _filter_faults(one: Mapping[str, Any]) -> list[str]:
    errors = []
    known = {f"{name}_{end}" for name in _FILTERED for end in ("mode", "regex")}
    errors += [f"'{name}' is not known" for name in one if name not in known]
    for name in _FILTERED:
        if one.get(f"{name}_mode") not in _MODES:
            errors.append(f"{name}_mode must be one of {', '.join(_MODES)}")
        elif one[f"{name}_mode"] != "always" or one.get(f"{name}_regex"):
            errors += _regex_faults(f"{name}_regex", one.get(f"{name}_regex"))
    return errors


def _regex_faults(name: str, value: Any, *, captures: bool = False) -> list[str]:
    if not isinstance(value, str) or not value:
        return [f"{name} is needed"]
    try:
        found = pattern(value)
    except ValueError as error:
        return [f"{name}: {error}"]
    return [f"{name} must capture something: put ( ) around what is wanted"] if captures and not found.groups else []


def _parser_faults(parser: Mapping[str, Any]) -> list[str]:
    errors = [f"'{name}' is not known" for name in parser if name not in {"action", "match_predicate", "value_extractors"}]
    if parser.get("action") not in {"trigger", "resolve"}:
        errors.append("action must be trigger or resolve")
    count = [0]
    errors += _predicate_faults(parser.get("match_predicate"), 0, count)
    extractors = parser.get("value_extractors")
    if not isinstance(extractors, list) or not all(isinstance(one, Mapping) for one in extractors):
        return [*errors, "value_extractors must be an array of objects"]
    if len(extractors) > EXTRACTORS_MOST:
        return [*errors, f"there may be at most {EXTRACTORS_MOST} value_extractors"]
    names = [one.get("value_name") for one in extractors]
    if names.count(_KEY) != 1:
        errors.append(f"exactly one of the value_extractors must have the value_name {_KEY}")
    return errors + [fault for one in extractors for fault in _extractor_faults(one)]


def _predicate_faults(one: Any, depth: int, count: list[int]) -> list[str]:
    count[0] += 1
    if not isinstance(one, Mapping) or one.get("type") not in {*_GROUPS, *_LEAVES}:
        return [f"match_predicate must be an object with a type of {', '.join((*_GROUPS, *_LEAVES))}"]
    if depth >= TREE_DEEPEST or count[0] > TREE_MOST:
        return [f"match_predicate may hold at most {TREE_MOST} conditions, {TREE_DEEPEST} deep"]
    if one["type"] in _GROUPS:
        children = one.get("children")
        if not isinstance(children, list) or not children:
            return [f"match_predicate: '{one['type']}' needs children"]
        return [fault for child in children for fault in _predicate_faults(child, depth + 1, count)]
    errors = [] if one.get("part") in PARTS else [f"match_predicate: '{one['type']}' needs a part of {', '.join(PARTS)}"]
    if one.get("children"):
        errors.append(f"match_predicate: '{one['type']}' has no children")
    if one["type"] == "regex":
        return errors + _regex_faults("match_predicate: matcher", one.get("matcher"))
    return errors + _text_faults("match_predicate: matcher", one.get("matcher"))


def _text_faults(name: str, value: Any) -> list[str]:
    if not isinstance(value, str) or not value:
        return [f"{name} is needed"]
    return [f"{name} has at most {TEXT_MOST} characters"] if len(value) > TEXT_MOST else []


def _extractor_faults(one: Mapping[str, Any]) -> list[str]:
    errors = [
        f"value_extractors: '{name}' is not known"
        for name in one
        if name not in {"type", "part", "value_name", "regex", "starts_after", "ends_before"}
    ]
    if one.get("part") not in PARTS:
        errors.append(f"value_extractors: part must be one of {', '.join(PARTS)}")
    errors += _text_faults("value_extractors: value_name", one.get("value_name"))
    match one.get("type"):
        case "entire":
            return errors
        case "regex":
            return errors + _regex_faults("value_extractors: regex", one.get("regex"), captures=True)
        case "between":
            return [*errors, *(fault for name in ("starts_after", "ends_before") for fault in _text_faults(f"value_extractors: {name}", one.get(name)))]
        case _:
            return [*errors, "value_extractors: type must be entire, regex or between"]
