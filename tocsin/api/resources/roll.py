"""Roll-call of the REST API: every tag's file, one line each. The table of routes is made from it."""

from collections.abc import Sequence
from typing import Final

from tocsin.api.kernel.spec import Declared
from tocsin.api.resources import (
    abilities,
    audit,
    contact_methods,
    licenses,
    notification_rules,
    priorities,
    teams,
    user_sessions,
    users,
    vendors,
)

DECLARED: Final[Sequence[Declared]] = (
    *abilities.DECLARED,
    *audit.DECLARED,
    *contact_methods.DECLARED,
    *licenses.DECLARED,
    *notification_rules.DECLARED,
    *priorities.DECLARED,
    *teams.DECLARED,
    *user_sessions.DECLARED,
    *users.DECLARED,
    *vendors.DECLARED,
)
"""All that the API serves."""
