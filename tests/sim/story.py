"""What happened in a simulated world, as lines a person can read; the last of them are told when a promise is broken."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from tocsin.store.events import Entry

TOLD = 40


@dataclass
class Story:
    """The last lines of what happened."""

    lines: deque[str] = field(default_factory=lambda: deque(maxlen=TOLD * 10))
    names: dict[str, str] = field(default_factory=dict)

    def tell(self, at: datetime, who: str, what: str) -> None:
        self.lines.append(f"{at:%a %d %H:%M:%S}  {who:<9} {what}")

    def tell_entry(self, entry: Entry) -> None:
        """A line of the event log."""
        event = entry.event
        people = [self.names.get(user_id, user_id) for user_id in getattr(event, "user_ids", ())]
        person, level = getattr(event, "user_id", None), getattr(event, "level", None)
        about = "".join(
            [
                f" → {', '.join(people)}" if people else "",
                f" ({self.names.get(person, person)})" if person else "",
                f" level {level + 1}" if level is not None else "",
            ]
        )
        which = self.names.get(event.incident_id, event.incident_id)
        self.tell(event.at, "log", f"{entry.position:>4} {which} {entry.kind}{about}: {event.reason}"[:230])

    def last(self, how_many: int = TOLD) -> str:
        return "\n".join(list(self.lines)[-how_many:])
