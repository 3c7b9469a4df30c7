"""Log lines carry their facts as fields, whoever wrote them."""

import io
import json
import logging

import pytest
import structlog

from tocsin.app import logs


def test_a_line_says_what_it_is_about():
    out = io.StringIO()
    logs.set_up("info", "json", out)
    with structlog.contextvars.bound_contextvars(incident_id="Q1"):
        structlog.get_logger("tocsin.trial").info("paged", user="Ada")
        logging.getLogger("tocsin.other").warning("kept %s", "it")
    ours, theirs = (json.loads(line) for line in out.getvalue().splitlines())
    assert (ours["event"], ours["user"], ours["incident_id"], ours["level"]) == ("paged", "Ada", "Q1", "info")
    assert (theirs["event"], theirs["incident_id"], theirs["logger"]) == ("kept it", "Q1", "tocsin.other")


def test_what_was_not_asked_for_is_not_logged():
    out = io.StringIO()
    logs.set_up("warning", "text", out)
    structlog.get_logger("tocsin.trial").info("nothing")
    logging.getLogger("httpx").warning("something")
    assert "nothing" not in out.getvalue()
    assert "something" in out.getvalue()


def test_an_exception_keeps_its_trace():
    out = io.StringIO()
    logs.set_up("info", "json", out)
    try:
        raise LookupError("lost")
    except LookupError as error:
        structlog.get_logger("tocsin.trial").error("failed", exc_info=error)
    assert "LookupError: lost" in json.loads(out.getvalue())["exception"]


@pytest.mark.parametrize("style", ["json", "text"])
def test_what_opens_something_is_masked_in_every_line_and_trace(style: str):
    out = io.StringIO()
    logs.set_up("info", style, out)
    secret = "s3cr3t-0123456789abcdef"
    lines = (
        f"GET /act/{secret}.{secret} failed", f"GET /calendars/users/PADA001/{secret}.ics failed", f"GET /app/welcome/{secret} failed", f"POST /integration/{secret}/generic failed",
        f"authorization: Token token={secret}", f'authorization: Token token="{secret}"', f"Bearer {secret}",
        f'{{"routing_key": "{secret}"}}', f"service_key={secret}",
    )  # fmt: skip
    for line in lines:
        logging.getLogger("tocsin.trial").warning("request: %s", line)
        structlog.get_logger("tocsin.trial").warning("refused", reason=line, all=[line], one={"it": line})
    try:
        raise LookupError(lines[0])
    except LookupError as error:
        structlog.get_logger("tocsin.trial").error("failed", exc_info=error)
    assert "LookupError: GET /act/…" in out.getvalue() or "LookupError: GET /act/\\u2026" in out.getvalue()
    assert secret not in out.getvalue()
    assert out.getvalue().count("request:") == len(lines)


def test_a_trace_shows_no_values_of_variables():
    out = io.StringIO()
    logs.set_up("info", "text", out)
    password = "a calm " + "sunday morning"
    try:
        raise LookupError("lost" if password else "")
    except LookupError as error:
        structlog.get_logger("tocsin.trial").error("failed", exc_info=error)
    assert password not in out.getvalue()
    assert "LookupError: lost" in out.getvalue()
