"""The kinds of configuration files, and what may be said of each, in the words of the API.

Law: a field that is here is read and written by its room (service/config_rooms.py); what is not here, files cannot say.
"""

from typing import Final

from tocsin.core.config_plan import PART, Field, Kind

TEXT: Final = Field()
INSTANT: Final = Field(is_instant=True)
METHOD: Final = Field(refers="@contact_methods")

USERS: Final = Kind(
    plural="users", noun="user", key="email", folds=True,
    fields={
        **dict.fromkeys(("name", "email", "role", "time_zone", "color", "job_title", "description"), TEXT),
        "contact_methods": Field(
            many=True, has_ids=True, any_order=True, keys=("type", "address"),
            inside=dict.fromkeys(("type", "label", "address", "country_code", "send_short_email", "device_type", "fields"), TEXT),
        ),
        "notification_rules": Field(
            many=True, has_ids=True, any_order=True, keys=("urgency", "start_delay_in_minutes", "contact_method"),
            inside={"urgency": TEXT, "start_delay_in_minutes": TEXT, "contact_method": METHOD},
        ),
        "oncall_handoff_notification_rules": Field(
            many=True, has_ids=True, any_order=True, keys=("handoff_type", "notify_advance_in_minutes", "contact_method"),
            inside={"handoff_type": TEXT, "notify_advance_in_minutes": TEXT, "contact_method": METHOD},
        ),
        "status_update_notification_rules": Field(
            many=True, has_ids=True, any_order=True, keys=("contact_method",), inside={"contact_method": METHOD}
        ),
    },
)  # fmt: skip

ACCOUNT: Final = Kind(
    plural="account", noun="account", is_single=True,
    fields={"name": TEXT, "time_zone": TEXT, "last_resort": Field(refers="user", many=True)},
)  # fmt: skip

PRIORITIES: Final = Kind(
    plural="priorities", noun="priority", fields=dict.fromkeys(("name", "description", "color", "order"), TEXT)
)  # fmt: skip

TEAMS: Final = Kind(
    plural="teams", noun="team",
    fields={
        "name": TEXT, "description": TEXT, "default_role": TEXT, "parent": Field(refers="team"),
        "members": Field(many=True, any_order=True, keys=("user",), inside={"user": Field(refers="user"), "role": TEXT}),
    },
)  # fmt: skip

CALENDAR: Final = Field(inside={"source": TEXT, "host": TEXT}, is_told=True)

SCHEDULES: Final = Kind(
    plural="schedules", noun="schedule",
    fields={
        "name": TEXT, "description": TEXT, "time_zone": TEXT, "teams": Field(refers="team", many=True),
        "schedule_layers": Field(
            many=True, has_ids=True, keys=("name",), ends="end",
            inside={
                "name": TEXT, "start": Field(is_instant=True, drops_past=True), "end": INSTANT, "rotation_virtual_start": INSTANT,
                "rotation_turn_length_seconds": TEXT, "users": Field(refers="user", many=True), "restrictions": TEXT,
            },
        ),
        "followed_calendar": CALENDAR,
    },
)  # fmt: skip

_ZONED: Final = Field(inside={"date_time": TEXT, "time_zone": TEXT})

SHIFT_SCHEDULES: Final = Kind(
    plural="shift_schedules", noun="shift-based schedule", namespace="schedule",
    fields={
        "name": TEXT, "description": TEXT, "time_zone": TEXT, "teams": Field(refers="team", many=True),
        "rotations": Field(
            many=True, has_ids=True, shape=PART,
            inside={
                "events": Field(
                    many=True, has_ids=True, shape=PART, keys=("name",), ends="effective_until",
                    inside={
                        "name": TEXT, "start_time": _ZONED, "end_time": _ZONED,
                        "effective_since": Field(is_instant=True, drops_past=True), "effective_until": INSTANT, "recurrence": TEXT,
                        "assignment_strategy": Field(
                            inside={"type": TEXT, "shifts_per_member": TEXT, "members": Field(refers="user", many=True)}
                        ),
                    },
                )
            },
        ),
        "followed_calendar": CALENDAR,
    },
)  # fmt: skip

POLICIES: Final = Kind(
    plural="escalation_policies", noun="escalation policy", namespace="escalation_policy",
    fields={
        "name": TEXT, "description": TEXT, "num_loops": TEXT, "on_call_handoff_notifications": TEXT,
        "teams": Field(refers="team", many=True),
        "escalation_rules": Field(
            many=True, has_ids=True,
            inside={
                "escalation_delay_in_minutes": TEXT, "escalation_rule_assignment_strategy": TEXT,
                "targets": Field(many=True, inside={"user": Field(refers="user"), "schedule": Field(refers="schedule")}),
            },
        ),
    },
)  # fmt: skip

_FIELD: Final = {
    **dict.fromkeys(("name", "display_name", "description", "data_type", "field_type", "enabled"), TEXT),
    "field_options": Field(many=True, has_ids=True, keys=("value",), inside={"value": TEXT}),
}

SERVICE_FIELDS: Final = Kind(plural="service_fields", noun="service field", fields=_FIELD)

INCIDENT_TYPES: Final = Kind(
    plural="incident_types", noun="incident type", namespace="incident_type",
    fields={
        "name": TEXT, "display_name": TEXT, "description": TEXT, "enabled": TEXT, "parent": Field(refers="incident_type"),
        "custom_fields": Field(many=True, has_ids=True, any_order=True, keys=("name",), inside={**_FIELD, "default_value": TEXT}),
    },
)  # fmt: skip

SERVICES: Final = Kind(
    plural="services", noun="service",
    fields={
        "name": TEXT, "description": TEXT, "escalation_policy": Field(refers="escalation_policy"),
        **dict.fromkeys(
            (
                "status", "auto_resolve_timeout", "acknowledgement_timeout", "alert_creation", "incident_urgency_rule", "support_hours",
                "scheduled_actions", "auto_pause_notifications_parameters", "escalates_low_urgency",
            ),
            TEXT,
        ),
        "integrations": Field(
            many=True, has_ids=True, any_order=True, keys=("name",),
            inside={
                **dict.fromkeys(
                    (
                        "name", "type", "vendor", "integration_email", "email_incident_creation", "email_filter_mode", "email_parsing_fallback",
                        "email_filters", "email_parsers", "settings",
                    ),
                    TEXT,
                ),
                "integration_key": Field(is_secret=True),
            },
        ),
        "custom_fields": TEXT,
    },
)  # fmt: skip

GROUPINGS: Final = Kind(
    plural="alert_grouping_settings", noun="alert grouping setting",
    fields={
        "name": TEXT, "description": TEXT, "type": TEXT, "config": TEXT, "services": Field(refers="service", many=True, any_order=True)
    },
)  # fmt: skip

WINDOWS: Final = Kind(
    plural="maintenance_windows", noun="maintenance window", key="description", ends="end_time",
    fields={
        "description": TEXT, "start_time": Field(is_instant=True, drops_past=True), "end_time": INSTANT,
        "services": Field(refers="service", many=True, any_order=True),
    },
)  # fmt: skip

WEBHOOKS: Final = Kind(
    plural="webhook_subscriptions", noun="webhook subscription", key="url",
    fields={
        "url": TEXT, "description": TEXT, "active": TEXT, "events": Field(many=True, any_order=True),
        "filter": Field(inside={"type": TEXT, "service": Field(refers="service"), "team": Field(refers="team")}),
        "custom_headers": Field(is_told=True), "oauth_client": Field(is_told=True),
    },
)  # fmt: skip

BUSINESS_SERVICES: Final = Kind(
    plural="business_services", noun="business service", namespace="business_service",
    fields={"name": TEXT, "description": TEXT, "point_of_contact": TEXT, "team": Field(refers="team")},
)  # fmt: skip

_ENDS: Final = {
    "service": Field(refers="service"), "business_service": Field(refers="business_service"),
    "needs_service": Field(refers="service"), "needs_business_service": Field(refers="business_service"),
}  # fmt: skip

DEPENDENCIES: Final = Kind(
    plural="service_dependencies", noun="service dependencies", is_single=True,
    fields={"edges": Field(many=True, any_order=True, keys=tuple(_ENDS), inside=_ENDS)},
)  # fmt: skip

TAGS: Final = Kind(
    plural="tags", noun="tag", key="label",
    fields={
        "label": TEXT, "users": Field(refers="user", many=True, any_order=True), "teams": Field(refers="team", many=True, any_order=True),
        "escalation_policies": Field(refers="escalation_policy", many=True, any_order=True),
    },
)  # fmt: skip

ADDONS: Final = Kind(
    plural="addons", noun="add-on",
    fields={"type": TEXT, "name": TEXT, "src": TEXT, "services": Field(refers="service", many=True, any_order=True)},
)  # fmt: skip

EXTENSIONS: Final = Kind(
    plural="extensions", noun="extension",
    fields={
        "name": TEXT, "extension_schema": TEXT, "endpoint_url": TEXT, "config": Field(is_secret=True),
        "extension_objects": Field(refers="service", many=True, any_order=True),
    },
)  # fmt: skip
