"""Roll-call of the REST API: every tag's file, one line each. The table of routes is made from it."""

from collections.abc import Sequence
from typing import Final

from tocsin.api.kernel.spec import Declared
from tocsin.api.own import account, api_keys, calendars, contact_tests, coverage, explain
from tocsin.api.resources import (
    abilities,
    audit,
    contact_methods,
    escalation_policies,
    handoff_notification_rules,
    incident_alerts,
    incident_notes,
    incidents,
    integrations,
    licenses,
    log_entries,
    notification_rules,
    notification_subscriptions,
    notifications,
    oauth_delegations,
    on_calls,
    priorities,
    schedules,
    services,
    status_update_notification_rules,
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
    *calendars.DECLARED,
    *contact_methods.DECLARED,
    *contact_tests.DECLARED,
    *coverage.DECLARED,
    *escalation_policies.DECLARED,
    *explain.DECLARED,
    *handoff_notification_rules.DECLARED,
    *incident_alerts.DECLARED,
    *incident_notes.DECLARED,
    *incidents.DECLARED,
    *integrations.DECLARED,
    *licenses.DECLARED,
    *log_entries.DECLARED,
    *notification_rules.DECLARED,
    *notification_subscriptions.DECLARED,
    *notifications.DECLARED,
    *oauth_delegations.DECLARED,
    *on_calls.DECLARED,
    *priorities.DECLARED,
    *schedules.DECLARED,
    *services.DECLARED,
    *status_update_notification_rules.DECLARED,
    *teams.DECLARED,
    *user_sessions.DECLARED,
    *users.DECLARED,
    *vendors.DECLARED,
    *webhook_subscriptions.DECLARED,
)
"""All that the API serves."""
