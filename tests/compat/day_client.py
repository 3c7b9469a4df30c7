"""Lives the scripted day with PagerDuty's Python client: a program for the interpreter of either version's environment.

It reads what it needs from standard input and prints what each call was answered. Where the client has a short way for a call
(`rget`, `rpost`, `list_all` …) it is taken, so that the client's own rules for wrappers and pages are at work.
"""

import inspect
import json
import sys
import time
from typing import Any

import pagerduty


def made(key: str, url: str, **more: Any) -> Any:
    """A client that speaks to this server: version 5 is given its address afterwards."""
    if "base_url" in inspect.signature(pagerduty.RestApiV2Client).parameters:
        return pagerduty.RestApiV2Client(key, base_url=url, **more)
    client = pagerduty.RestApiV2Client(key, **more)
    client.url = url
    return client


def filled(value: Any, kept: dict[str, str]) -> Any:
    """The value with every `{name}` replaced by what was kept under it."""
    if isinstance(value, str):
        for name, text in kept.items():
            value = value.replace("{" + name + "}", text)
        return value
    if isinstance(value, dict):
        return {name: filled(part, kept) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part, kept) for part in value]
    return value


def at(value: Any, place: str) -> Any:
    """What is at this place: names and numbers with dots between."""
    for part in place.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    return value


def asked(client: Any, call: dict[str, Any]) -> tuple[str, Any]:
    """How the call was made, and what it was answered."""
    path, wrap, query = call["path"], call["wrap"], call["query"]
    if call["status"] < 400 and wrap and not call["plain"]:
        try:
            if call["method"] == "GET" and "limit" not in query:
                one = client.rget(path, params=query)
                return "rget", one
            if call["method"] in {"POST", "PUT"}:
                return f"r{call['method'].lower()}", getattr(client, f"r{call['method'].lower()}")(path, json=call["body"][wrap], params=query)
        except (pagerduty.UrlError, pagerduty.ServerHttpError) as error:
            if isinstance(error, pagerduty.ServerHttpError):
                raise
    more = {} if call["body"] is None else {"json": call["body"]}
    answer = client.request(call["method"].lower(), path, params=query, **more)
    if answer.status_code != call["status"]:
        return f"status {answer.status_code}", answer.text
    body: Any = answer.json() if answer.content else None
    if call["status"] >= 400:
        return "plain", body["error"]
    return "plain", body[wrap] if wrap else body


def main() -> None:
    told = json.load(sys.stdin)
    kept: dict[str, str] = told["kept"]
    clients = {
        "admin": made(told["key"], told["url"]),
        "bot": made(told["account_key"], told["url"], default_from=kept["mail"]),
    }
    answers = []
    for number, raw in enumerate(told["calls"]):
        call = filled(raw, kept)
        try:
            how, answer = asked(clients[call["who"]], call)
            until = time.monotonic() + 10
            while call["patient"] and not answer and time.monotonic() < until:
                time.sleep(0.02)
                how, answer = asked(clients[call["who"]], call)
            for name, place in call["keep"].items():
                kept[name] = str(at(answer, place))
        except (pagerduty.Error, KeyError, TypeError, IndexError) as error:
            response = getattr(error, "response", None)
            raise SystemExit(f"call {number}: {call} failed: {error!r} {getattr(response, 'text', '')}") from error
        answers.append([how, call["expect"], answer])
    pages = told["pages"]
    walked = {}
    for path in pages:
        walk = clients["admin"].iter_cursor if path["cursor"] else clients["admin"].iter_all
        walked[path["path"]] = [one[path["name"]] for one in walk(path["path"], params=path["query"], **({} if path["cursor"] else {"total": True}))]
    print(json.dumps({"version": pagerduty.__version__, "answers": answers, "kept": kept, "walked": walked}))


main()
