"""PagerDuty's operations that Tocsin refuses on purpose, each with its reason in a sentence.

An operation is here when there can be nothing true behind it. What is only not built yet is not here.
"""

from collections.abc import Mapping
from typing import Final

_MODELS: Final = "the suggestions and memories of PagerDuty's own models are no part of Tocsin"
_BILLING: Final = "it counts the use of PagerDuty Advance, a product that Tocsin does not have"

REASONS: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "/analytics/metrics/pd_advance_usage/features"): _BILLING,
    ("GET", "/recommendations/event_orchestrations/rules"): _MODELS,
    ("POST", "/recommendations/event_orchestrations/services/{service_id}/rules/{recommendation_id}/accept"): _MODELS,
    ("POST", "/recommendations/event_orchestrations/services/{service_id}/rules/{recommendation_id}/dismiss"): _MODELS,
    ("DELETE", "/recommendations/event_orchestrations/services/{service_id}/accepted_rules/{rule_id}"): _MODELS,
    ("GET", "/sre_agent/memories"): _MODELS,
    ("PUT", "/sre_agent/memories/{id}"): _MODELS,
    ("DELETE", "/sre_agent/memories/{id}"): _MODELS,
}
"""Why, by method and path as published."""
