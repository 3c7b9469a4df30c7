"""Pages as telephone calls through a provider with Twilio's HTTP API; pressing 4 acknowledges, 6 resolves.

What is said during a call is asked of us by the provider (`VOICE_PATH`), so that it is true at the moment it is heard.
"""

from typing import Final
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from tocsin.channels import twilio
from tocsin.channels.spec import Ability, Channel, Limits, Means, Outcome, Parcel, Refused

LIMITS: Final = Limits(concurrency=16, bundle_seconds=30)
RING_SECONDS: Final = 40


async def send(means: Means, parcel: Parcel) -> Outcome:
    """Order one call. It needs our public address: the provider asks there what to say."""
    if not means.public_url:
        return Refused("calls need the public address of this installation: set it in the settings")
    form = {
        "To": twilio.number(parcel),
        "Url": f"{means.public_url}{twilio.VOICE_PATH}?{urlencode({'key': parcel.key})}",
        "Method": "POST",
        "StatusCallback": twilio.status_url(means, parcel),
        "StatusCallbackEvent": "completed",
        "Timeout": str(RING_SECONDS),
    }
    if means.twilio is not None:
        form["From"] = means.twilio.from_number
    return await twilio.order(means, parcel, "Calls", form, LIMITS.timeout)


def asking(words: str, keys_url: str, *, is_request: bool = False) -> str:
    """TwiML that says the words twice and waits for one key. `is_request`: the words ask for help."""
    choices = "Press 4 to join. Press 6 to decline." if is_request else "Press 4 to acknowledge. Press 6 to resolve."
    said = f"<Say>{escape(words)} {choices}</Say>"
    return _document(
        f'<Gather numDigits="1" timeout="8" method="POST" action={quoteattr(keys_url)}>{said}<Pause length="1"/>{said}</Gather>'
        "<Say>No key was pressed. Goodbye.</Say>"
    )


def saying(words: str) -> str:
    """TwiML that says the words and hangs up."""
    return _document(f"<Say>{escape(words)}</Say><Hangup/>")


def texting(words: str) -> str:
    """TwiML that answers an SMS; empty words answer nothing."""
    return _document(f"<Message>{escape(words)}</Message>" if words else "")


def _document(inside: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>'


CHANNEL: Final = Channel(
    kind="phone",
    label="Phone",
    fields=twilio.FIELDS,
    send=send,
    check=twilio.check,
    limits=LIMITS,
    abilities=frozenset({Ability.ANSWERS, Ability.RECEIPTS}),
)
