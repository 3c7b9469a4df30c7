"""Why was somebody paged, or why not: the chain of reasons of an incident or an event, for machines and as text."""

from datetime import tzinfo

import msgspec

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Report
from tocsin.api.resources.incident_shapes import zone_of
from tocsin.base import times
from tocsin.core import explain as rules
from tocsin.core.explain import Chain
from tocsin.service import explain as service


def explain(call: Call) -> Body:
    """By an incident's id or number, or an event's id in the journal or dedup key."""
    zone = zone_of(call)
    return shown(service.explain(call.tx, call.actor, call.id, zone), zone)


def shown(chain: Chain, zone: tzinfo) -> Body:
    """A chain as a body; `text` is the same for people."""
    return {
        "type": "explanation",
        "incident_number": chain.incident,
        "title": chain.title,
        "status": chain.status,
        "links": [{**msgspec.to_builtins(link), "at": times.iso(link.at, zone)} for link in chain.links],
        "not_paged": msgspec.to_builtins(chain.not_paged),
        "next": {"what": chain.next, "at": times.iso(chain.next_at, zone) if chain.next_at else None},
        "text": rules.text(chain, zone),
    }


DECLARED = (Report("/api/v1/explain/{id}", "Explain", explain, scope="incidents.read", wrap_out="explanation"),)
