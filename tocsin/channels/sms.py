"""Pages as SMS through a provider with Twilio's HTTP API; answering 4 acknowledges, 6 resolves."""

from typing import Final

from tocsin.channels import twilio
from tocsin.channels.spec import Ability, Channel, Limits, Means, Outcome, Parcel

LIMITS: Final = Limits(concurrency=16, bundle_seconds=10)
HOW_TO_ANSWER: Final = " Reply 4 to ack, 6 to resolve"


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
    return parcel.message.short + (HOW_TO_ANSWER if parcel.message.can_be_answered else "")


CHANNEL: Final = Channel(
    kind="sms",
    label="SMS",
    fields=twilio.FIELDS,
    send=send,
    check=twilio.check,
    limits=LIMITS,
    abilities=frozenset({Ability.ANSWERS, Ability.RECEIPTS}),
)
