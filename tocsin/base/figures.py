"""The figures Tocsin gives of itself while it runs: counters and distributions, read at `/metrics`.

Laws:
1. Names and labels are a contract with whoever watches us: they are added, never renamed.
2. No label holds a name of a person, a key or an address.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY: Final = CollectorRegistry()

EVENTS_ACCEPTED: Final = Counter(
    "tocsin_events_accepted_total", "Events kept on disk and answered 202 or 200.", ["reader"], registry=REGISTRY
)
EVENTS_REFUSED: Final = Counter(
    "tocsin_events_refused_total", "Events turned away, by reader and reason.", ["reader", "reason"], registry=REGISTRY
)
EVENTS_PROCESSED: Final = Counter(
    "tocsin_events_processed_total", "Events decided, by what became of them.", ["outcome"], registry=REGISTRY
)
DELIVERIES: Final = Counter(
    "tocsin_deliveries_total",
    "Tries to reach a person, by channel and outcome.",
    ["channel", "outcome"],
    registry=REGISTRY,
)
WEBHOOKS: Final = Counter(
    "tocsin_webhooks_total", "Tries to deliver a webhook of a subscription, by outcome.", ["outcome"], registry=REGISTRY
)
EVENT_TO_PAGE: Final = Histogram(
    "tocsin_event_to_page_seconds",
    "From an event's acceptance to the provider's answer for the first page it caused.",
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
OWN_ALARMS: Final = Counter(
    "tocsin_own_alarms_total",
    "Times people were told that this installation itself is late.",
    registry=REGISTRY,
)
PASS_FAILURES: Final = Counter(
    "tocsin_pass_failures_total",
    "Rounds of an engine's pass that failed and were tried again.",
    ["name"],
    registry=REGISTRY,
)
REQUESTS: Final = Counter(
    "tocsin_http_requests_total", "Requests of the REST API and the pages.", ["method", "status"], registry=REGISTRY
)
