"""How a registration goes on: which step follows which, and what each kind of beneficiary must have shown by then.

https://hl7.org/fhir/R4/task.html#statemachine; no database, no clock: the tables and one decision over them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

Beneficiary = Literal["active-duty", "retiree", "dependent", "veteran"]

Status = Literal["requested", "received", "accepted", "on-hold", "rejected", "cancelled", "completed"]
"""Those of TaskStatus (https://hl7.org/fhir/R4/valueset-task-status.html) that a registration passes through."""

Reason = Literal["deers-discrepancy", "not-eligible", "proof-missing", "registry-unavailable"]

ProofResult = Literal["proven", "discrepancy", "not-eligible", "unavailable"]
"""What the eligibility system said of who registers."""

Verification = Literal["validated", "val-fail"]
"""The VerificationResult that follows (https://hl7.org/fhir/R4/valueset-verificationresult-status.html)."""

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    "requested": frozenset({"received", "on-hold", "rejected", "cancelled"}),
    "received": frozenset({"accepted", "on-hold", "rejected"}),
    "on-hold": frozenset({"received", "accepted", "rejected", "cancelled"}),
    "accepted": frozenset({"completed", "on-hold", "rejected"}),
    "completed": frozenset(),
    "rejected": frozenset(),
    "cancelled": frozenset(),
}
"""The steps that may follow. The last three are ends."""

REVIEW_TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    "requested": frozenset({"received", "completed", "rejected", "cancelled"}),
    "received": frozenset({"completed", "rejected", "cancelled"}),
    "completed": frozenset(),
    "rejected": frozenset(),
    "cancelled": frozenset(),
}
"""The same of the review of one proof."""

REASONS: Mapping[Reason, str] = {
    "deers-discrepancy": "What was entered differs from what the eligibility system has.",
    "not-eligible": "The eligibility system has no entitlement for this person.",
    "proof-missing": "A proof is lacking, or the one handed in was not accepted.",
    "registry-unavailable": "The eligibility system could not be asked yet.",
}
"""What the reason says to those who may read the Task."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a kind of beneficiary must show beyond what the eligibility system knows.

    `proofs` are the kinds of documents of which any one is enough; none: no document. With `second_review` somebody of
    the staff must have accepted it. With `confirmation` the person has used the link sent by e-mail; with `sponsor` it
    is the sponsor or the staff who begins.
    """

    proofs: frozenset[str] = frozenset()
    second_review: bool = False
    confirmation: bool = False
    sponsor: bool = False


NEEDS: Mapping[Beneficiary, Needs] = {
    # The card that the person holds in their hand has been proven by its certificate.
    "active-duty": Needs(),
    "retiree": Needs(confirmation=True),
    "dependent": Needs(
        frozenset({"birth-certificate", "marriage-certificate", "guardianship"}), second_review=True, sponsor=True
    ),
    "veteran": Needs(frozenset({"va-card", "military-id", "dd-214"}), second_review=True, confirmation=True),
}
"""By kind of beneficiary. A dependent of age confirms as well: that hangs on the age, so the caller says it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The status that follows and why; `verification` is None where nothing was verified yet."""

    status: Status
    reason: Reason | None = None
    verification: Verification | None = None


def decided(
    beneficiary: Beneficiary,
    proof_result: ProofResult,
    proofs: Collection[str] = (),
    reviews: Collection[str] = (),
    is_confirmed: bool = False,
    is_sponsored: bool = False,
    must_confirm: bool = False,
) -> Decision:
    """What becomes of a registration by all that is known of it.

    `proofs` are the kinds handed in and `reviews` the statuses of their reviews. `is_sponsored` says that the
    eligibility system names the sponsor as the one on whom this person depends. With `must_confirm` the person
    confirms even where the kind alone would not ask for it, as a dependent of age.
    """
    needs = NEEDS[beneficiary]
    if proof_result == "unavailable":
        return Decision("received", "registry-unavailable")
    if proof_result == "not-eligible":
        return Decision("rejected", "not-eligible", "val-fail")
    if proof_result == "discrepancy" or (needs.sponsor and not is_sponsored):
        return Decision("on-hold", "deers-discrepancy", "val-fail")
    if needs.proofs and not needs.proofs.intersection(proofs):
        return Decision("received", "proof-missing", "validated")
    if needs.second_review and "completed" not in reviews:
        if reviews and all(each in ("rejected", "cancelled") for each in reviews):
            return Decision("on-hold", "proof-missing", "validated")
        return Decision("accepted", None, "validated")
    if not is_confirmed and (needs.confirmation or must_confirm):
        return Decision("accepted" if needs.second_review else "received", None, "validated")
    return Decision("completed", None, "validated")


def may_follow(former: str, status: str, is_review: bool = False) -> bool:
    """Whether one status may follow another; the same status always may."""
    table: Mapping[str, frozenset[str]] = REVIEW_TRANSITIONS if is_review else TRANSITIONS  # type: ignore[assignment]
    return former == status or status in table.get(former, frozenset())


# Where two ways are equally long, nobody is put on hold on the way.
_PREFERRED: tuple[Status, ...] = ("received", "accepted", "completed", "on-hold", "rejected", "cancelled")


def steps(former: Status, status: Status) -> tuple[Status, ...] | None:
    """The statuses to pass through to come from one to another, the last included, by the shortest way; None where no
    way leads there.
    """
    ways: list[tuple[Status, ...]] = [(former,)]
    seen = {former}
    while ways:
        way = ways.pop(0)
        if way[-1] == status:
            return way[1:]
        for following in _PREFERRED:
            if following in TRANSITIONS[way[-1]] - seen:
                seen.add(following)
                ways.append((*way, following))
    return None
