"""A few relations that the pages of a family show and change, without a record behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from smart_auth.identity.proxies import NoSuchRelation, Relative, Represented
from smart_auth.records import Account


@dataclass(slots=True)
class Family:
    """Cleo (p3) acts for Ben (p2), and Ann (p1) stands in Cleo's record as her mother; p4 may let Eve in.

    `ended` is what was ended, `let_in` who was let in.
    """

    represented_by: dict[str, list[Represented]] = field(
        default_factory=lambda: {"p3": [Represented("p2", "cleo-of-ben", "your child", True)]}
    )
    beside: dict[str, list[Relative]] = field(
        default_factory=lambda: {
            "p3": [Relative("ann-of-cleo", "Ann <b>", "mother", True, True, acts=True)],
            "p4": [Relative("eve-of-p4", "Eve", "spouse", True, False, can_be_let=True)],
        }
    )
    ended: list[tuple[str, str, str, str]] = field(default_factory=list)
    let_in: list[tuple[str, str, str]] = field(default_factory=list)

    async def acts_for(self, patients: Sequence[str]) -> tuple[str, ...]:
        return tuple(each.patient for id in patients for each in self.represented_by.get(id, ()))

    async def represented(self, patients: Sequence[str]) -> list[Represented]:
        return [each for id in patients for each in self.represented_by.get(id, ())]

    async def relatives_of(self, patient: str) -> list[Relative]:
        return self.beside.get(patient, [])

    async def revoke(self, account: Account, patient: str, related: str) -> None:
        self._end("revoke", account, patient, related)

    async def contest(self, account: Account, patient: str, related: str) -> None:
        self._end("contest", account, patient, related)

    async def let(self, account: Account, patient: str, related: str) -> None:
        if (account.username, patient, related) != ("cleo", "p3", "dan-of-cleo"):
            raise NoSuchRelation
        self.let_in.append((account.username, patient, related))

    def _end(self, what: str, account: Account, patient: str, related: str) -> None:
        if (patient, related) not in (("p2", "cleo-of-ben"), ("p3", "ann-of-cleo")) or account.username != "cleo":
            raise NoSuchRelation
        self.ended.append((what, account.username, patient, related))
