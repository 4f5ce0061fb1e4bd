"""A registration with all that decides it, read from the record; and what follows from it, pure.

https://hl7.org/fhir/R4/task.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from fhir_server.care.registration import Beneficiary, Decision, ProofResult, Status, decided
from fhir_server.care.registration_resources import proof_kind
from fhir_server.care.registration_tasks import beneficiary_of, is_confirmed, moment, owner_of, requester_of, sponsor_of
from fhir_server.core.resource import Resource

AGENCY = "Organization/agency-dod"
"""Where a registration waits that no facility has."""

_AGENCIES: Mapping[str, str] = {"veteran": "Organization/agency-va"}


def agency_of(beneficiary: str) -> str:
    """Where a registration waits of somebody whom no organisation has enrolled yet."""
    return _AGENCIES.get(beneficiary, AGENCY)


@dataclass(frozen=True, slots=True)
class Case:
    """A registration with all that decides it."""

    id: str
    task: Resource
    version: int
    patient: Resource
    checks: tuple[Resource, ...] = ()
    reviews: tuple[Resource, ...] = ()
    proofs: tuple[Resource, ...] = ()

    @property
    def status(self) -> Status:
        return next((each for each in get_args(Status) if each == self.task.get("status")), "cancelled")

    @property
    def owner(self) -> str:
        return owner_of(self.task) or AGENCY

    @property
    def beneficiary(self) -> Beneficiary:
        return beneficiary_of(self.task, self.patient)

    @property
    def sponsor(self) -> str | None:
        """The reference to the Patient who began it for somebody else, or for whom staff did."""
        sponsor = sponsor_of(self.task)
        return None if sponsor is None else f"Patient/{sponsor}"

    @property
    def newest_check(self) -> Resource | None:
        return max(self.checks, key=lambda each: moment(each.get("statusDate")), default=None)

    @property
    def result(self) -> ProofResult:
        """What is known of the person by the newest check."""
        check = self.newest_check
        if check is None:
            return "unavailable"
        if check.get("status") == "validated":
            return "proven"
        said = [each.get("text") for each in check.get("validationProcess", ())]
        return "not-eligible" if "not-eligible" in said else "discrepancy"

    @property
    def decision(self) -> Decision:
        return decided(
            self.beneficiary,
            self.result,
            [kind for each in self.proofs if (kind := proof_kind(each)) is not None],
            [str(each.get("status")) for each in self.reviews],
            is_confirmed(self.task),
            # Staff may begin it as well, having seen the sponsor's card.
            requester_of(self.task) != f"Patient/{self.patient['id']}",
            must_confirm=True,
        )

    @property
    def next_status(self) -> Status:
        """Where it stands once all that is known has had its effect."""
        following = self.decision.status
        if self.status == "on-hold" and following in ("received", "accepted", "completed"):
            # Who put it on hold knew of all that was there then.
            since, check = moment(self.task.get("lastModified")), self.newest_check
            has_news = any(moment(each.get("lastModified")) > since for each in self.reviews)
            if not has_news and (check is None or moment(check.get("statusDate")) < since):
                return "on-hold"
        if self.status == "accepted" and following == "received":
            return "accepted"
        return following
