"""Logs: one line a fact, with what it is about (an incident's id above all) as fields; text for people, JSON for machines.

Laws:
1. No line carries a secret: keys and signed links that stand in an address or a header are masked in every text, traces
   of errors included, and traces show no values of variables.
"""

import logging
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

QUIET: Final = ("alembic", "aiosmtplib", "asyncio", "httpx", "httpcore", "_granian", "granian", "mail.log")
"""Libraries that tell more than anybody asks: their warnings and errors are kept."""

_SECRETS: Final = re.compile(
    r"(?i)(/(?:act|welcome|integration|x-ere)/|/calendars/\w+/\w+/|token\s*=\s*\"?|bearer\s+|(?:routing|service|integration)_key\W{1,5})[\w.~%+/=-]{8,}"
)
"""What comes after these words opens something: links that act, keys in addresses, headers and bodies."""


def masked(text: str) -> str:
    """The text without what could open something."""
    return _SECRETS.sub(r"\1…", text)


def _without_secrets(_logger: Any, _method: str, line: EventDict) -> EventDict:
    for name, value in line.items():
        line[name] = _masked_in(value)
    return line


def _masked_in(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {name: _masked_in(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_masked_in(part) for part in value]
    return value


def set_up(level: str, style: str, stream: TextIO = sys.stderr) -> None:
    """Send everything that is logged, by us and by libraries, to `stream` in one form.

    level  debug, info, warning or error
    style  text, json, or auto (text when `stream` is a terminal)
    """
    shared: Sequence[Processor] = (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    )
    is_text = style == "text" or (style == "auto" and stream.isatty())
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if is_text
        else [structlog.processors.JSONRenderer()]
    )
    out = logging.StreamHandler(stream)
    out.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _without_secrets,
                *last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [out]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
