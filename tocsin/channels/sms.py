"""Pages as SMS through a provider with Twilio's HTTP API; answering 4 acknowledges, 6 resolves."""

from typing import Final

from tocsin.channels import twilio
from tocsin.channels.spec import Ability, Channel, Limits, Means, Outcome, Parcel
from tocsin.core.message import HELP

LIMITS: Final = Limits(concurrency=16, bundle_seconds=10)
HOW_TO_ANSWER: Final = " Reply 4 to ack, 6 to resolve"
HOW_TO_ANSWER_A_REQUEST: Final = " Reply 4 to join, 6 to decline"


async def send(means: Means, parcel: Parcel) -> Outcome:
    """Order one SMS; its receipt comes later to our call-back address, if we have one."""
    form = {"To": twilio.number(parcel), "Body": text(parcel)}
    if means.twilio is not None:
        form["From"] = means.twilio.from_number
    if means.public_url:
        form["StatusCallback"] = twilio.status_url(means, parcel)
    return await twilio.order(means, parcel, "Messages", form, LIMITS.timeout)


def text(parcel: Parcel) -> str:
    """The words: at most 160 characters, so that they are one SMS where the alphabet allows it."""
    if not parcel.message.can_be_answered:
        return parcel.message.short
    return parcel.message.short + (HOW_TO_ANSWER_A_REQUEST if parcel.message.purpose == HELP else HOW_TO_ANSWER)


CHANNEL: Final = Channel(
    kind="sms",
    label="SMS",
    fields=twilio.FIELDS,
    send=send,
    check=twilio.check,
    limits=LIMITS,
    abilities=frozenset({Ability.ANSWERS, Ability.RECEIPTS}),
)
