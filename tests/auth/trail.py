"""An audit log in memory."""

from dataclasses import dataclass, field

from smart_auth.audit import AuthEvent


class Lost(Exception):
    """The audit log cannot be written."""


@dataclass(slots=True)
class Trail:
    """What reached the audit log; nothing does while it `is_away`."""

    events: list[AuthEvent] = field(default_factory=list)
    is_away: bool = False

    async def record(self, event: AuthEvent) -> None:
        if self.is_away:
            raise Lost
        self.events.append(event)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def texts(self) -> list[str]:
        return [event.text for event in self.events]
