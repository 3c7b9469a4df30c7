"""What this account can do: everything there is (BEHAVIOUR 7: nothing here is behind a paywall)."""

from typing import Final

from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Report
from tocsin.base.errors import not_found

ABILITIES: Final = (
    "advanced_permissions", "coordinated_responding", "coordinated_responding_preview", "event_intelligence", "event_rules",
    "manage_api_keys", "manage_schedules", "permissions_service", "preview_incident_alert_split", "priorities",
    "read_only_users", "response_mobilizer", "service_support_hours", "sso", "status_update_subscriptions", "team_responders",
    "teams", "time_based_alert_grouping", "unlimited_users", "urgencies", "webhooks_v3",
)  # fmt: skip
"""PagerDuty's names of abilities that its clients ask for."""


def listed(_call: Call) -> list[str]:
    return list(ABILITIES)


def asked(call: Call) -> Reply:
    """204 for an ability the account has; 404 for a word that is none. There is no 402 here."""
    if call.id not in ABILITIES:
        raise not_found("Ability")
    return Reply(204)


DECLARED = (
    Report("/abilities", "Abilities", listed, wrap_out="abilities", scope="abilities.read"),
    Report("/abilities/{id}", "Abilities", asked, scope="abilities.read", status=204),
)
