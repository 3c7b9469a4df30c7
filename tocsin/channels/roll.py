"""Every channel by which people are reached: one line a channel."""

from typing import Final

from tocsin.channels import email, webhook
from tocsin.channels.spec import Channel

CHANNELS: Final[tuple[Channel, ...]] = (
    email.CHANNEL,
    webhook.CHANNEL,
)

BY_KIND: Final = {channel.kind: channel for channel in CHANNELS}
