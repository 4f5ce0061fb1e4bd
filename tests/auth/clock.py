"""A clock that stands still until a test moves it."""

from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """Seconds since 1970, at the beginning of a minute."""

    seconds: int = 1_800_000_000

    def __call__(self) -> int:
        return self.seconds

    def pass_seconds(self, seconds: int) -> None:
        self.seconds += seconds


@dataclass(slots=True)
class Monotonic:
    """The same in parts of a second, counted from wherever."""

    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds

    def pass_seconds(self, seconds: float) -> None:
        self.seconds += seconds
