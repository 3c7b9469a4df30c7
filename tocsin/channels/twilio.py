"""What SMS and voice share: calling a provider that speaks Twilio's HTTP API, and telling its call-backs from forged ones.

Source: Twilio's documentation of its API of 2010-04-01 and of `X-Twilio-Signature`.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from tocsin.base import json
from tocsin.channels.http import Answer, Forbidden, Unreachable
from tocsin.channels.spec import Accepted, Field, Means, NotNow, Outcome, Parcel, Refused

SMS_PATH: Final = "/callbacks/twilio/sms"
VOICE_PATH: Final = "/callbacks/twilio/voice"
KEYS_PATH: Final = "/callbacks/twilio/keys"
STATUS_PATH: Final = "/callbacks/twilio/status"
"""Where the provider calls us back, under the installation's public address."""

ACKNOWLEDGE: Final = "4"
RESOLVE: Final = "6"
"""The digits a person answers with (BEHAVIOUR 6)."""

_DIGITS: Final = re.compile(r"[0-9]{3,20}")


def number(parcel: Parcel) -> str:
    """The telephone number in international form."""
    return f"+{parcel.country_code or 1}{parcel.address}"


def status_url(means: Means, parcel: Parcel) -> str:
    """Where the provider reports how far a message is: with our key, as its report may overtake its answer."""
    return f"{means.public_url}{STATUS_PATH}?{urlencode({'key': parcel.key})}"


async def order(means: Means, parcel: Parcel, what: str, form: Mapping[str, str], limit: timedelta) -> Outcome:
    """Order a message or a call (`what`: Messages or Calls). The idempotency key goes with it."""
    if means.twilio is None:
        return Refused("this installation has no telephone provider: set one in the settings")
    account = means.twilio
    credentials = base64.b64encode(f"{account.account_sid}:{account.auth_token}".encode()).decode()
    headers = {
        "Authorization": f"Basic {credentials}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Idempotency-Key": parcel.key,
        "I-Twilio-Idempotency-Token": parcel.key,
    }
    url = f"{account.base_url}/2010-04-01/Accounts/{account.account_sid}/{what}.json"
    try:
        answer = await means.provider.request(
            "POST", url, body=urlencode(form).encode(), headers=headers, timeout=limit
        )
    except Forbidden as error:
        return Refused(str(error))
    except Unreachable as error:
        return NotNow(str(error))
    return _outcome(answer)


def _outcome(answer: Answer) -> Outcome:
    try:
        said = json.decode(answer.body)
    except ValueError:
        said = None
    told = said if isinstance(said, dict) else {}
    if answer.is_fine:
        return Accepted(
            str(told["sid"]) if told.get("sid") else None, f"the provider says: {told.get('status', 'taken')}"
        )
    words = f"HTTP {answer.status}: {told.get('message') or answer.words()}"
    if told.get("code"):
        words += f" (the provider's error {told['code']})"
    return NotNow(words, answer.retry_after) if answer.may_pass else Refused(words)


def signature(url: str, form: Sequence[tuple[str, str]], token: str) -> str:
    """Twilio's signature of what it posts to `url`: HMAC-SHA1 over the address and the sorted fields, in base64."""
    text = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def is_genuine(url: str, form: Sequence[tuple[str, str]], token: str, claimed: str) -> bool:
    """Whether the provider that shares `token` with us posted this form to this address of ours."""
    return bool(claimed) and hmac.compare_digest(signature(url, form, token).encode(), claimed.encode())


FIELDS: Final = (
    Field("country_code", "Country code", "1", "number"),
    Field("address", "Telephone number", "digits only, without the country code", "phone"),
)
"""What a contact method asks for that is a telephone number."""


def check(address: str, country_code: int | None, _fields: Mapping[str, Any]) -> list[str]:
    """A number of digits without the country's code, and the code."""
    errors = (
        []
        if _DIGITS.fullmatch(address)
        else ["Address must be a telephone number of digits only, without the country code"]
    )
    if country_code is not None and not 1 <= country_code <= 1999:
        errors.append("Country code must be between 1 and 1999")
    return errors
