"""Log lines carry their facts as fields, whoever wrote them."""

import io
import json
import logging

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
