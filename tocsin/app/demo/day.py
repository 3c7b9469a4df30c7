"""A day of monitoring at Brightwater Market, told from a seed: what its monitoring says, and when.

Laws:
1. The same seed tells the same day; nothing here looks at a clock.
2. A signal is what a sender would post, word for word, without the routing key: `post_of` says where it goes.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from tocsin.app.demo.company import DOMAIN
from tocsin.base import times

EVENT, CHANGE, ALERTMANAGER = "events_v2", "change_events", "alertmanager"
"""The readers the day's senders speak to."""

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Signal:
    """Something a sender posts at an instant about a service (by its name)."""

    at: datetime
    service: str
    reader: str
    body: Mapping[str, Any]


def post_of(signal: Signal, routing_key: str) -> tuple[str, dict[str, Any]]:
    """Where a signal goes (path) and what is posted there."""
    if signal.reader == ALERTMANAGER:
        return f"/integration/{routing_key}/alertmanager", dict(signal.body)
    path = "/v2/change/enqueue" if signal.reader == CHANGE else "/v2/enqueue"
    return path, {"routing_key": routing_key, **signal.body}


@dataclass
class Tale:
    """A story being told: signals at seconds after its beginning."""

    chance: Random
    began_at: datetime
    signals: list[Signal] = field(default_factory=list)

    def _at(self, after: float) -> datetime:
        return self.began_at + timedelta(seconds=after)

    def _put(self, after: float, service: str, reader: str, body: Mapping[str, Any]) -> None:
        self.signals.append(Signal(self._at(after), service, reader, body))

    def trigger(
        self,
        after: float,
        service: str,
        key: str,
        summary: str,
        *,
        source: str,
        severity: str = "critical",
        component: str | None = None,
        group: str | None = None,
        class_: str | None = None,
        said_after: float | None = None,
        **details: Any,
    ) -> None:
        """`said_after`: what the sender's own clock said, when the event travelled slowly."""
        payload: dict[str, Any] = {
            "summary": summary,
            "source": source,
            "severity": severity,
            "timestamp": times.iso(self._at(after if said_after is None else said_after)),
            "component": component,
            "group": group,
            "class": class_,
            "custom_details": details,
        }
        slug = (class_ or "general").lower()
        self._put(
            after,
            service,
            EVENT,
            {
                "event_action": "trigger",
                "dedup_key": key,
                "client": "Grafana",
                "client_url": f"https://grafana.{DOMAIN}/d/{slug}",
                "payload": {name: value for name, value in payload.items() if value is not None},
                "links": [{"href": f"https://runbooks.{DOMAIN}/{slug}", "text": "Runbook"}],
            },
        )

    def resolve(self, after: float, service: str, key: str) -> None:
        self._put(after, service, EVENT, {"event_action": "resolve", "dedup_key": key})

    def acknowledge(self, after: float, service: str, key: str) -> None:
        self._put(after, service, EVENT, {"event_action": "acknowledge", "dedup_key": key})

    def change(self, after: float, service: str, summary: str, *, source: str, **details: Any) -> None:
        payload = {"summary": summary, "source": source, "timestamp": times.iso(self._at(after)), "custom_details": details}
        link = {"href": f"https://git.{DOMAIN}/deployments/{self.chance.randrange(10_000, 99_999)}", "text": "Deployment"}
        self._put(after, service, CHANGE, {"payload": payload, "links": [link]})

    def prometheus(
        self, after: float, service: str, status: str, alerts: Sequence[tuple[Mapping[str, str], str]], *, ends: float | None = None
    ) -> None:
        """A notification of Alertmanager: each alert by its labels and summary, firing or resolved."""
        group = alerts[0][0]["alertname"]
        told = [
            {
                "status": status,
                "labels": dict(labels),
                "annotations": {"summary": summary, "runbook_url": f"https://runbooks.{DOMAIN}/{group}"},
                "startsAt": times.iso(self._at(after) if status == "firing" else self.began_at),
                "endsAt": times.iso(self._at(ends if ends is not None else after)) if status == "resolved" else "0001-01-01T00:00:00Z",
                "generatorURL": f"https://prometheus.{DOMAIN}/graph?g0.expr={group}",
                "fingerprint": hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16],
            }
            for labels, summary in alerts
        ]
        self._put(
            after,
            service,
            ALERTMANAGER,
            {
                "version": "4",
                "groupKey": f'{{}}:{{alertname="{group}"}}',
                "status": status,
                "receiver": "tocsin",
                "groupLabels": {"alertname": group},
                "commonLabels": {"alertname": group},
                "commonAnnotations": {},
                "externalURL": f"https://alertmanager.{DOMAIN}",
                "alerts": told,
            },
        )


Story = Callable[[Tale], None]

K8S, EDGE, PG, WATCH = "Kubernetes production", "Edge and CDN", "PostgreSQL clusters", "Observability"
CHECKOUT, CARDS, FRAUD = "Checkout API", "Card payments", "Fraud scoring"
WEB, SEARCH, SLOTS, STOCK, REPORTS = "Storefront web", "Search", "Delivery slots", "Warehouse sync", "Nightly reports"

REGIONS: Final = ("eu-central-1", "us-east-1", "ap-southeast-1")
PLACES: Final = ("fra-1", "fra-2", "iad-1", "sin-1")
WAREHOUSES: Final = ("Lyon", "Rotterdam", "Leipzig", "Poznań", "Newark", "Memphis", "Johor")
DEPLOYED: Final = (
    (CHECKOUT, "checkout-api"), (CARDS, "card-gateway"), (WEB, "storefront-web"), (SEARCH, "search-query"),
    (SLOTS, "slot-planner"), (FRAUD, "fraud-model"), (STOCK, "stock-importer"),
)  # fmt: skip
REASONS: Final = (
    "retry on 409 from the acquirer", "new basket header", "bump Go to the newest patch", "cache product tiles for 60 s",
    "read replicas for order history", "smaller images for phones", "log the idempotency key", "fix rounding of deposits",
    "feature flag: substitutions on by default", "drop the old price table", "raise the pool to 40 connections",
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- stories


def deployment(tale: Tale) -> None:
    """Somebody deploys something; nothing is wrong."""
    service, program = tale.chance.choice(DEPLOYED)
    _deploy(tale, 0, service, program)


def _deploy(tale: Tale, after: float, service: str, program: str) -> None:
    version = f"{tale.began_at:%Y.%m.%d}-{tale.chance.randrange(1, 9)}"
    reason = tale.chance.choice(REASONS)
    region = tale.chance.choice(REGIONS)
    tale.change(after, service, f"Deployed {program} {version}: {reason}", source="argo-cd", version=version, region=region)


def slow_checkout(tale: Tale) -> None:
    """A deployment makes checkout slow: a burst over its pods, repeated every minute, until it is rolled back."""
    chance = tale.chance
    _deploy(tale, 0, CHECKOUT, "checkout-api")
    lasts = chance.uniform(9, 22) * MINUTE
    for number in range(chance.randrange(4, 8)):
        pod, key = f"checkout-api-7d9f-{number:02d}", f"checkout-latency-{number:02d}"
        first = 90 + number * chance.uniform(2, 9)
        at = first
        while at < first + lasts:
            tale.trigger(
                at, CHECKOUT, key, f"Checkout p99 latency {chance.uniform(1.6, 4.2):.1f} s on {pod} (limit 1.0 s)",
                source=pod, component="checkout-api", group="eu-central-1", class_="latency", p99_seconds=round(chance.uniform(1.6, 4.2), 2),
                error_budget_left=f"{chance.randrange(11, 64)} %",
            )  # fmt: skip
            at += MINUTE
        tale.resolve(first + lasts + chance.uniform(5, 60), CHECKOUT, key)
    tale.change(lasts, CHECKOUT, "Rolled back checkout-api to the version before", source="argo-cd", reason="latency")


def declined_cards(tale: Tale) -> None:
    """One acquirer declines too much."""
    chance = tale.chance
    acquirer = chance.choice(("Nordpay", "Adriatic Acquiring", "Harbor Bank"))
    key = f"auth-rate-{acquirer.split()[0].lower()}"
    rate = chance.uniform(78, 93)
    tale.trigger(
        0, CARDS, key, f"Card authorisations at {acquirer} down to {rate:.1f} % (normal: 97 %)",
        source="card-gateway", severity=chance.choice(("critical", "critical", "error")), component="acquirer", group=acquirer,
        class_="authorisation-rate", rate_percent=round(rate, 1), window="5m", top_reason=chance.choice(("issuer_unavailable", "do_not_honor")),
    )  # fmt: skip
    tale.resolve(chance.uniform(7, 35) * MINUTE, CARDS, key)


def crash_loop(tale: Tale) -> None:
    """Kubernetes says by Alertmanager that a pod keeps crashing."""
    chance = tale.chance
    service, program = chance.choice(DEPLOYED)
    pod = f"{program}-{chance.randrange(16**4):04x}-{chance.randrange(16**4):04x}"
    labels = {
        "alertname": "KubePodCrashLooping", "severity": chance.choice(("warning", "critical")), "cluster": chance.choice(REGIONS),
        "namespace": program, "pod": pod, "container": "app",
    }  # fmt: skip
    alert = [(labels, f"Pod {program}/{pod} is in CrashLoopBackOff: {chance.randrange(5, 19)} restarts in 10 min ({service})")]
    tale.prometheus(0, K8S, "firing", alert)
    ends = chance.uniform(6, 28) * MINUTE
    tale.prometheus(ends, K8S, "resolved", alert)


def lost_nodes(tale: Tale) -> None:
    """Several nodes of one cluster go away together."""
    chance = tale.chance
    cluster = chance.choice(REGIONS)
    alerts = []
    for _ in range(chance.randrange(2, 5)):
        node = f"ip-10-{chance.randrange(8, 40)}-{chance.randrange(255)}-{chance.randrange(255)}"
        labels = {"alertname": "KubeNodeNotReady", "severity": "critical", "cluster": cluster, "node": node}
        alerts.append((labels, f"Node {node} in {cluster} has not been ready for 5 min: kubelet stopped posting status"))
    tale.prometheus(0, K8S, "firing", alerts)
    tale.prometheus(chance.uniform(9, 24) * MINUTE, K8S, "resolved", alerts)


def flapping_origin(tale: Tale) -> None:
    """A health check that cannot decide."""
    chance = tale.chance
    place = chance.choice(PLACES)
    key, at = f"origin-{place}", 0.0
    for _ in range(chance.randrange(4, 9)):
        tale.trigger(
            at, EDGE, key, f"Origin health check failing from {place}: 502 from 3 of 5 probes", source=f"edge-{place}",
            severity="error", component="origin", group=place, class_="health-check", probes_failed=3,
        )  # fmt: skip
        at += chance.uniform(20, 110)
        tale.resolve(at, EDGE, key)
        at += chance.uniform(30, 160)


def certificate(tale: Tale) -> None:
    """Something to do this week, and nobody to wake for it."""
    chance = tale.chance
    host = chance.choice(("img", "static", "partners", "vans", "grafana"))
    days = chance.randrange(9, 21)
    tale.trigger(
        0, EDGE, f"certificate-{host}", f"Certificate for {host}.{DOMAIN} expires in {days} days", source=f"{host}.{DOMAIN}",
        severity="warning", component="tls", class_="certificate", days_left=days, issuer="R11",
    )  # fmt: skip


def filling_disk(tale: Tale) -> None:
    """A disk fills up: a warning first, then it matters."""
    chance = tale.chance
    host = chance.choice(("pg-events-2", "pg-main-1", "pg-orders-3"))
    key = f"disk-{host}"
    used = chance.randrange(88, 96)
    tale.trigger(
        0, PG, key, f"{host}: /var/lib/postgresql is {used} % full, full in about {chance.randrange(2, 9)} h", source=host,
        severity="error", component="disk", group=host.rpartition("-")[0], class_="disk-usage", used_percent=used,
    )  # fmt: skip
    tale.resolve(chance.uniform(25, 90) * MINUTE, PG, key)


def slow_replica(tale: Tale) -> None:
    """Replication falls behind while a long report runs."""
    chance = tale.chance
    lag = chance.randrange(45, 400)
    key = "replication-lag-pg-main-2"
    for number in range(chance.randrange(2, 6)):
        tale.trigger(
            number * MINUTE, PG, key, f"pg-main-2: replication lag {lag + number * 20} s (limit 30 s)", source="pg-main-2",
            severity="warning" if lag < 120 else "critical", component="replication", group="pg-main", class_="replication-lag",
            lag_seconds=lag + number * 20, longest_query="REFRESH MATERIALIZED VIEW order_history",
        )  # fmt: skip
    tale.resolve(chance.uniform(6, 18) * MINUTE, PG, key)


def slow_search(tale: Tale) -> None:
    chance = tale.chance
    region = chance.choice(REGIONS)
    key = f"search-latency-{region}"
    tale.trigger(
        0, SEARCH, key, f"Search p95 {chance.randrange(420, 1900)} ms in {region} (limit 400 ms)", source=f"search-query.{region}",
        severity=chance.choice(("warning", "warning", "error")), component="search-query", group=region, class_="latency",
        shards_unassigned=chance.randrange(0, 3),
    )  # fmt: skip
    tale.resolve(chance.uniform(3, 16) * MINUTE, SEARCH, key)


def late_warehouse(tale: Tale) -> None:
    """A warehouse is late, and says so again and again."""
    chance = tale.chance
    place = chance.choice(WAREHOUSES)
    key = f"export-{place.lower()}"
    minutes = chance.randrange(20, 35)
    for number in range(chance.randrange(3, 9)):
        tale.trigger(
            number * 5 * MINUTE, STOCK, key, f"Stock export of {place} is {minutes + 5 * number} min late", source=f"sftp-{place.lower()}",
            severity="warning" if number < 5 else "error", component="export", group=place, class_="late-export",
            last_file=f"stock_{place.lower()}_{tale.began_at:%Y%m%d}.csv.gz",
        )  # fmt: skip
    tale.resolve(chance.uniform(30, 60) * MINUTE, STOCK, key)


def lost_vans(tale: Tale) -> None:
    chance = tale.chance
    place = chance.choice(WAREHOUSES)
    key = f"van-feed-{place.lower()}"
    tale.trigger(
        0, SLOTS, key, f"No positions from the vans of {place} for {chance.randrange(6, 14)} min: slots there are guesses",
        source="slot-planner", severity="critical", component="van-feed", group=place, class_="stale-feed", vans=chance.randrange(12, 70),
    )  # fmt: skip
    tale.resolve(chance.uniform(10, 40) * MINUTE, SLOTS, key)


def killed_model(tale: Tale) -> None:
    chance = tale.chance
    key = f"fraud-oom-{chance.randrange(4)}"
    tale.trigger(
        0, FRAUD, key, f"fraud-model killed for memory ({chance.randrange(3, 7)} times in 15 min); scores fall back to rules",
        source="fraud-model", severity="error", component="fraud-model", class_="oom-killed", limit="6Gi", model="gbt-2026-11",
    )  # fmt: skip
    tale.acknowledge(chance.uniform(20, 50), FRAUD, key)
    tale.resolve(chance.uniform(8, 25) * MINUTE, FRAUD, key)


def failed_reports(tale: Tale) -> None:
    """The nightly run fails: nobody's monitoring will say when it is right again."""
    chance = tale.chance
    models = chance.sample(["orders_daily", "basket_value", "van_utilisation", "refunds", "cohorts", "stockouts"], k=3)
    tale.trigger(
        0, REPORTS, f"nightly-{tale.began_at:%Y%m%d}", f"Airflow: nightly_orders failed at dbt_run, {len(models)} of 212 models ({', '.join(models)})",
        source="airflow", severity="error", component="dbt", class_="failed-run", attempt=3, first_error='relation "raw.orders_v3" does not exist',
    )  # fmt: skip


def overtaken(tale: Tale) -> None:
    """A probe fails for a moment, and the news of its end arrives before the news of its beginning."""
    chance = tale.chance
    place = chance.choice(PLACES)
    key = f"probe-{place}-{chance.randrange(16**6):06x}"
    tale.resolve(6, WEB, key)
    tale.trigger(
        9, WEB, key, f"Probe from {place} failed: https://{DOMAIN}/ took longer than 10 s", source=f"blackbox-{place}",
        severity="critical", component="probe", group=place, class_="probe-failed", said_after=0,
    )  # fmt: skip


def broken_pages(tale: Tale) -> None:
    chance = tale.chance
    region = chance.choice(REGIONS)
    key = f"web-5xx-{region}"
    tale.trigger(
        0, WEB, key, f"Storefront answers {chance.uniform(1.1, 7.5):.1f} % with 5xx in {region} (limit 0.5 %)", source=f"storefront-web.{region}",
        severity="critical", component="storefront-web", group=region, class_="error-rate", release=f"{tale.began_at:%Y.%m.%d}-2",
    )  # fmt: skip
    tale.resolve(chance.uniform(4, 20) * MINUTE, WEB, key)


def blind_spot(tale: Tale) -> None:
    """The monitoring itself."""
    chance = tale.chance
    key = chance.choice(("prom-eu-1-rules", "loki-ingest", "tempo-compactor"))
    words = {
        "prom-eu-1-rules": "prom-eu-1 missed 2 of its last 3 rule evaluations",
        "loki-ingest": "Loki refuses 4 % of log lines: per-stream rate limit",
        "tempo-compactor": "Tempo's compactor has not finished a round for 3 h",
    }
    tale.trigger(
        0, WATCH, key, words[key], source=key.partition("-")[0], severity=chance.choice(("warning", "error")), component="pipeline", class_="monitoring",
    )  # fmt: skip
    tale.resolve(chance.uniform(10, 50) * MINUTE, WATCH, key)


def for_information(tale: Tale) -> None:
    """Things a machine thinks worth saying."""
    chance = tale.chance
    number = chance.randrange(3)
    texts = (
        (WATCH, "disk-obs-3", "obs-clickhouse-3: /data is 81 % full"),
        (K8S, "hpa-search", "HPA search-query has been at its maximum (24) for 15 min"),
        (SEARCH, "reindex", "Reindexing of the catalogue takes longer than usual (47 min)"),
    )
    service, key, words = texts[number]
    tale.trigger(0, service, f"{key}-{chance.randrange(100)}", words, source=key, severity=chance.choice(("info", "warning")), class_="capacity")
    tale.resolve(chance.uniform(20, 120) * MINUTE, service, key)


def failover(tale: Tale) -> None:
    """The storm: the primary of pg-orders is lost, and everything that needs it cries at once."""
    chance = tale.chance
    tale.trigger(
        0, PG, "pg-orders-primary", "pg-orders: primary pg-orders-1 is unreachable, Patroni is choosing a new one", source="patroni",
        component="patroni", group="pg-orders", class_="failover", timeline=chance.randrange(11, 30),
    )  # fmt: skip
    crying = (
        (CHECKOUT, "checkout-api", "orders cannot be written: connection refused"),
        (CARDS, "card-gateway", "captures are queued: orders database does not answer"),
        (SLOTS, "slot-planner", "slots cannot be reserved: timeout after 5 s"),
        (WEB, "storefront-web", "order history answers 503"),
        (FRAUD, "fraud-model", "features of the last hour are missing"),
        (STOCK, "stock-importer", "transaction aborted: could not serialise access"),
        (SEARCH, "search-query", "availability cannot be read, stale results are shown"),
    )
    keys: list[tuple[str, str]] = [(PG, "pg-orders-primary")]
    for service, program, words in crying:
        for number in range(chance.randrange(4, 11)):
            key = f"{program}-pg-orders-{number}"
            keys.append((service, key))
            for again in range(chance.randrange(1, 4)):
                tale.trigger(
                    15 + chance.uniform(0, 150) + again * MINUTE, service, key, f"{program}-{number}: {words}", source=f"{program}-{number}",
                    component=program, group="pg-orders", class_="dependency", dependency="pg-orders",
                )  # fmt: skip
    for number in range(2, 4):
        tale.trigger(40, PG, f"pg-orders-{number}-lag", f"pg-orders-{number}: no primary to follow", source=f"pg-orders-{number}", component="replication", group="pg-orders", class_="replication-lag")
        keys.append((PG, f"pg-orders-{number}-lag"))
    over = chance.uniform(11, 19) * MINUTE
    for service, key in keys:
        tale.resolve(over + chance.uniform(0, 240), service, key)
    tale.change(over + 300, PG, "pg-orders-1 rebuilt from the new primary", source="ansible")


EVERY_DAY: Final[tuple[tuple[Story, int], ...]] = (
    (deployment, 16), (slow_checkout, 2), (declined_cards, 5), (crash_loop, 7), (lost_nodes, 1), (flapping_origin, 3),
    (certificate, 3), (filling_disk, 3), (slow_replica, 4), (slow_search, 6), (late_warehouse, 6), (lost_vans, 3),
    (killed_model, 3), (overtaken, 5), (broken_pages, 4), (blind_spot, 4), (for_information, 9),
)  # fmt: skip
"""How often each story happens on an ordinary day; the storm and the failed reports come once, at their own hours."""

SMALL: Final[tuple[Story, ...]] = (
    deployment, declined_cards, crash_loop, certificate, slow_replica, slow_search, lost_vans, killed_model, broken_pages,
    overtaken, for_information, flapping_origin,
)  # fmt: skip
"""What the trickle of a running demo is made of."""


def day(chance: Random, start: datetime, length: timedelta = DAY) -> list[Signal]:
    """All signals of a day, or of a part or more of one, that begins at `start`, in the order they arrive.

    Every kind of story happens at least once.
    """
    share = length / DAY
    often = [(story, max(1, round(count * share))) for story, count in EVERY_DAY]
    stories = [(story, chance.uniform(0, length.total_seconds())) for story, count in often for _ in range(count)]
    stories += [(failover, 0.62 * length.total_seconds()), (failed_reports, 0.11 * length.total_seconds())]
    told: list[Signal] = []
    for story, after in stories:
        tale = Tale(chance, start + timedelta(seconds=after))
        story(tale)
        told += tale.signals
    end = start + length
    return sorted((one for one in told if one.at < end), key=lambda one: one.at)


def trickle(chance: Random, *, hurry: float = 6.0) -> Iterator[tuple[float, Signal]]:
    """Signals for ever, each with the seconds to wait before it; stories run `hurry` times quicker than they would.

    The instants in the signals mean nothing: whoever sends one says when.
    """
    origin = datetime(2000, 1, 1, tzinfo=UTC)
    waiting: list[tuple[float, int, Signal]] = []
    clock, next_story, count = 0.0, 0.0, 0
    order: list[Story] = [broken_pages, deployment, declined_cards]
    while True:
        if not waiting or next_story <= waiting[0][0]:
            tale = Tale(chance, origin)
            (order.pop(0) if order else chance.choice(SMALL))(tale)
            for signal in tale.signals:
                waiting.append((next_story + (signal.at - origin).total_seconds() / hurry, count, signal))
                count += 1
            waiting.sort(key=lambda one: one[:2])
            next_story += chance.uniform(25, 70)
            continue
        at, _, signal = waiting.pop(0)
        yield max(0.0, at - clock), signal
        clock = at


def freshened(signal: Signal, now: datetime) -> Signal:
    """The same signal as if its sender saw it now (its own clock may lag behind as it did)."""
    body = dict(signal.body)
    payload = body.get("payload")
    if isinstance(payload, Mapping) and "timestamp" in payload:
        lag = signal.at - times.parse_instant(payload["timestamp"])
        body["payload"] = {**payload, "timestamp": times.iso(now - lag)}
    if signal.reader == ALERTMANAGER:
        body["alerts"] = [
            {**alert, "startsAt": times.iso(now), "endsAt": times.iso(now) if alert["status"] == "resolved" else alert["endsAt"]}
            for alert in body["alerts"]
        ]
    return Signal(now, signal.service, signal.reader, body)
