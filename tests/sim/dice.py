"""The dice of one simulated world: which troubles it knows, how often each comes, all from one seed.

Laws:
1. Every world knows only some of the troubles: those that are left out make room for the others to be seen.
2. When the faults are over (`is_calm`) no die says yes any more.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Final

TROUBLES: Final = {
    "crash before commit": (0.002, 0.04),
    "crash after commit": (0.002, 0.04),
    "database busy": (0.002, 0.04),
    "crash while sending": (0.002, 0.04),
    "answer lost": (0.002, 0.08),  # the phone rang, and we were told that it did not
    "refused": (0.002, 0.15),
    "provider not now": (0.002, 0.15),
    "provider slow": (0.002, 0.05),
    "provider down": (0.001, 0.006),  # all of a lane, for a while
    "pause": (0.001, 0.012),  # a node stands still, longer than a lease
    "clock jump": (0.001, 0.012),
    "repeated by sender": (0.01, 0.2),
    "out of order": (0.01, 0.2),
    "interrupted": (0.01, 0.3),  # work is left lying while time goes on
}
"""Each trouble and between which chances a step it may come, in a world that knows it."""

LEFT_OUT: Final = 0.35
"""How often a world does not know a trouble."""


@dataclass
class Dice:
    """Chance in one world. `thrown` counts which troubles came."""

    seed: int
    is_calm: bool = False
    thrown: dict[str, int] = field(default_factory=dict)
    chance: Random = field(init=False)
    rates: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.chance = Random(f"tocsin {self.seed}")
        self.rates = {
            name: 0.0 if self.chance.random() < LEFT_OUT else self.chance.uniform(*between)
            for name, between in TROUBLES.items()
        }

    def falls(self, trouble: str) -> bool:
        """Whether this trouble comes now."""
        if self.is_calm or self.chance.random() >= self.rates[trouble]:
            return False
        self.thrown[trouble] = self.thrown.get(trouble, 0) + 1
        return True

    def one_in(self, many: int) -> bool:
        return self.chance.randrange(many) == 0
