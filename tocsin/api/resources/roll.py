"""Roll-call of the REST API: every tag's file, one line each. The table of routes is made from it."""

from collections.abc import Sequence
from typing import Final

from tocsin.api.kernel.spec import Declared
from tocsin.api.resources import teams

DECLARED: Final[Sequence[Declared]] = (
    *teams.DECLARED,
)  # fmt: skip
"""All that the API serves."""
