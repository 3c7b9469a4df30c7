"""Roll-call of the followers of the event log: one line each."""

from typing import Final

from tocsin.engine.followers import extensions, impacts, log, webhooks
from tocsin.engine.followers.spec import Follower

FOLLOWERS: Final[tuple[Follower, ...]] = (webhooks.FOLLOWER, extensions.FOLLOWER, impacts.FOLLOWER, log.FOLLOWER)
