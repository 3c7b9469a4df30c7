"""Vendors: the monitoring tools an integration may say it is for. Plain facts; the ids of some are PagerDuty's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Report
from tocsin.base.errors import not_found


@dataclass(frozen=True, slots=True)
class Vendor:
    """One monitoring tool. `generic_service_type` says what kind of integration it takes."""

    id: str
    name: str
    website: str
    generic_service_type: str = "events_api_v2_inbound_integration"


_ALL: Final = (
    Vendor("PZQ6AUS", "Amazon CloudWatch", "https://aws.amazon.com/cloudwatch"),
    Vendor("PAM4FGS", "Datadog", "https://www.datadoghq.com"),
    Vendor("PVEMAIL", "Email", "", "generic_email_inbound_integration"),
    Vendor("PVGRAFA", "Grafana", "https://grafana.com"),
    Vendor("PVNAGIO", "Nagios", "https://www.nagios.org"),
    Vendor("PVPROME", "Prometheus", "https://prometheus.io"),
    Vendor("PKAPG94", "Sentry", "https://sentry.io"),
    Vendor("PRYWPH4", "Slack to PagerDuty (Legacy)", "https://slack.com"),
    Vendor("PVUPTIM", "Uptime Kuma", "https://uptime.kuma.pet"),
    Vendor("PVZABBI", "Zabbix", "https://www.zabbix.com"),
)

VENDORS: Final[Mapping[str, Vendor]] = {vendor.id: vendor for vendor in _ALL}
"""All vendors by id, in the order of their names. BEHAVIOUR 11 lists those that PagerDuty's Terraform tests look up."""


def shown(call: Call, vendor: Vendor) -> Body:
    return {
        **envelope.common(call.house, "vendor", vendor.id, vendor.name),
        "name": vendor.name,
        "description": f"Events from {vendor.name}",
        "website_url": vendor.website,
        "logo_url": "",
        "thumbnail_url": "",
        "integration_guide_url": "",
        "generic_service_type": vendor.generic_service_type,
    }


def listed(call: Call) -> Body:
    words = (call.query.one("query") or "").casefold()
    found = [vendor for vendor in VENDORS.values() if words in vendor.name.casefold()]
    part, answer = paging.page_of(call.query, found)
    return {"vendors": [shown(call, vendor) for vendor in part], **answer}


def one(call: Call) -> Body:
    if call.id not in VENDORS:
        raise not_found("Vendor")
    return shown(call, VENDORS[call.id])


DECLARED = (
    Report("/vendors", "Vendors", listed, scope="vendors.read"),
    Report("/vendors/{id}", "Vendors", one, wrap_out="vendor", scope="vendors.read"),
)
