"""Roll-call of the REST API: every tag's file, one line each. The table of routes is made from it."""

from collections.abc import Sequence
from typing import Final

from tocsin.api.kernel.spec import Declared
from tocsin.api.own import account, api_keys, contact_tests
from tocsin.api.resources import (
    abilities,
    audit,
    contact_methods,
    escalation_policies,
    integrations,
    licenses,
    notification_rules,
    priorities,
    services,
    teams,
    user_sessions,
    users,
    vendors,
    webhook_subscriptions,
)

DECLARED: Final[Sequence[Declared]] = (
    *abilities.DECLARED,
    *account.DECLARED,
    *api_keys.DECLARED,
    *audit.DECLARED,
    *contact_methods.DECLARED,
    *contact_tests.DECLARED,
    *escalation_policies.DECLARED,
    *integrations.DECLARED,
    *licenses.DECLARED,
    *notification_rules.DECLARED,
    *priorities.DECLARED,
    *services.DECLARED,
    *teams.DECLARED,
    *user_sessions.DECLARED,
    *users.DECLARED,
    *vendors.DECLARED,
    *webhook_subscriptions.DECLARED,
)
"""All that the API serves."""
