"""Every channel by which people are reached: one line a channel."""

from typing import Final

from tocsin.channels import email, ntfy, sms, voice, webhook
from tocsin.channels.spec import Channel

CHANNELS: Final[tuple[Channel, ...]] = (
    email.CHANNEL,
    sms.CHANNEL,
    voice.CHANNEL,
    ntfy.CHANNEL,
    webhook.CHANNEL,
)

BY_KIND: Final = {channel.kind: channel for channel in CHANNELS}
