"""Features switched on or off for one service, as PagerDuty's API shows them (tag Services)."""

from datetime import datetime

import msgspec

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.base import times
from tocsin.base.errors import invalid
from tocsin.core import permission
from tocsin.service import access, enablements
from tocsin.store.tables.services import service

TAG = "Services"


class Switch(msgspec.Struct):
    """Whether the feature is to be on."""

    enabled: bool


def _shown(feature: str, is_enabled: bool, said_at: datetime | None) -> Body:
    return {"feature": feature, "enabled": is_enabled, "updated_at": times.iso(said_at) if said_at else None}


def list_(call: Call) -> Body:
    row = access.find(call.tx, call.actor, "service", service, call.id)
    found = enablements.of_service(call.tx, row.id)
    return {"enablements": [_shown(feature, *said) for feature, said in found.items()]}


def switch(call: Call, wish: Switch) -> Body:
    row = access.find(call.tx, call.actor, "service", service, call.id, permission.UPDATE)
    feature = call.params["feature_name"]
    if feature not in enablements.FEATURES:
        raise invalid(f"There is no feature {feature[:64]}: it must be {', '.join(enablements.FEATURES)}")
    enablements.switch(call.tx, call.deed, row, feature, is_enabled=wish.enabled)
    return _shown(feature, *enablements.of_service(call.tx, row.id)[feature])


DECLARED = (
    Report("/services/{id}/enablements", TAG, list_, scope="services.read"),
    Action(
        method="PUT", path="/services/{id}/enablements/{feature_name}", tag=TAG, run=switch, body=Switch,
        wrap_in="enablement", wrap_out="enablement", scope="services.write",
    ),
)  # fmt: skip
