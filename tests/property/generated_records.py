"""Small synthetic resources of several types that refer to each other; every one is good under base R4."""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.property.generated_values import (
    BASE,
    BIRTHDAYS,
    DATES,
    FAMILIES,
    GIVENS,
    NOTHING,
    NUMBERS,
    PLACES,
    UPDATED,
    URIS,
    Pick,
    address,
    amount_range,
    concept,
    identifier,
    meta,
    number,
    period,
    quantity,
    required_concept,
    several,
    some,
)
from tests.property.naive_search import Stored
from tests.property.naive_values import UCUM

IDS = [f"x{number}" for number in range(12)]
PATIENTS = ["Patient/x1", f"{BASE}/Patient/x1", "Patient/x1/_history/2", "Patient/x2", "http://other/fhir/Patient/x1"]


def _to(pick: Pick, *types: str) -> dict[str, Any]:
    return {"reference": f"{pick(types)}/{pick(IDS)}"}


def _maybe(pick: Pick, *types: str) -> Any:
    return pick([NOTHING, _to(pick, *types), _to(pick, *types), {"display": "x"}])


def _subject(pick: Pick, *types: str) -> dict[str, Any]:
    literal = {"reference": pick([*PATIENTS, "Group/x1", "urn:uuid:0f0e0d0c-0000-4000-8000-000000000007"])}
    known = {"identifier": {"system": "urn:oid:1.2", "value": pick(["1", "aB"])}}
    return pick([_to(pick, *types), _to(pick, *types), literal, known])


def patient(pick: Pick) -> dict[str, Any]:
    def name() -> Any:
        return some(family=pick([NOTHING, *FAMILIES]), given=several(pick, lambda: pick(GIVENS)))

    return some(
        resourceType="Patient",
        meta=meta(pick),
        identifier=several(pick, lambda: identifier(pick)),
        active=pick([NOTHING, True, False]),
        name=several(pick, name),
        telecom=several(pick, lambda: some(system=pick(["phone", "email"]), value=pick(["555", "A@b"]))),
        gender=pick([NOTHING, "female", "male"]),
        birthDate=pick([NOTHING, *BIRTHDAYS]),
        **pick([{}, {"deceasedBoolean": True}, {"deceasedBoolean": False}, {"deceasedDateTime": "2020"}]),
        address=several(pick, lambda: address(pick)),
        managingOrganization=_maybe(pick, "Organization"),
        generalPractitioner=several(pick, lambda: _to(pick, "Practitioner", "Organization")),
        link=several(pick, lambda: {"other": _to(pick, "Patient"), "type": "seealso"}),
    )


def _component(pick: Pick) -> dict[str, Any]:
    value = pick([{}, {"valueQuantity": quantity(pick)}, {"valueCodeableConcept": required_concept(pick)}])
    return {"code": required_concept(pick), **value}


def observation(pick: Pick) -> dict[str, Any]:
    timing = some(event=several(pick, lambda: pick(DATES[6:])), repeat=some(boundsPeriod=period(pick)))
    effective = [{}, {"effectiveDateTime": pick(DATES)}, {"effectivePeriod": period(pick)}]
    effective += [{"effectiveDateTime": pick(DATES)}, {"effectiveTiming": timing}]
    values = [{}, {"valueString": pick(FAMILIES)}, {"valueCodeableConcept": concept(pick)}]
    values += [{"valueDateTime": pick(DATES)}, {"valuePeriod": period(pick)}, {"valueQuantity": quantity(pick)}] * 2
    return some(
        resourceType="Observation",
        meta=meta(pick),
        identifier=several(pick, lambda: identifier(pick)),
        status=pick(["final", "amended", "final"]),
        category=several(pick, lambda: required_concept(pick)),
        code=required_concept(pick),
        method=pick([NOTHING, required_concept(pick)]),
        dataAbsentReason=pick([NOTHING, NOTHING, required_concept(pick)]),
        subject=pick([NOTHING, _subject(pick, "Patient", "Location")]),
        encounter=_maybe(pick, "Encounter"),
        hasMember=several(pick, lambda: _to(pick, "Observation")),
        performer=several(pick, lambda: _to(pick, "Organization", "Patient")),
        component=several(pick, lambda: _component(pick)),
        **some(**pick(effective)),
        **some(**pick(values)),
    )


def encounter(pick: Pick) -> dict[str, Any]:
    return some(
        resourceType="Encounter",
        identifier=several(pick, lambda: identifier(pick)),
        status=pick(["finished", "planned"]),
        type=several(pick, lambda: required_concept(pick)),
        subject=pick([NOTHING, _subject(pick, "Patient")]),
        period=pick([NOTHING, period(pick)]),
        length=pick([NOTHING, {"value": number(pick(NUMBERS)), "system": UCUM, "code": pick(["min", "h", "s"])}]),
        location=several(pick, lambda: some(location=_to(pick, "Location"), period=period(pick))),
        partOf=_maybe(pick, "Encounter"),
        serviceProvider=_maybe(pick, "Organization"),
        reasonCode=several(pick, lambda: required_concept(pick)),
        **{"class": some(system=pick(["http://loinc.org", "urn:oid:1.2"]), code=pick(["a", "b"]))},
    )


def medication_request(pick: Pick) -> dict[str, Any]:
    def dosage() -> Any:
        return some(text="daily", timing=some(event=several(pick, lambda: pick(DATES[6:]))))

    return some(
        resourceType="MedicationRequest",
        status=pick(["active", "stopped"]),
        intent=pick(["order", "plan"]),
        subject=_subject(pick, "Patient"),
        encounter=_maybe(pick, "Encounter"),
        authoredOn=pick([NOTHING, *DATES]),
        dosageInstruction=several(pick, dosage),
        **pick(
            [{"medicationCodeableConcept": required_concept(pick)}, {"medicationReference": _to(pick, "Medication")}]
        ),
    )


def location(pick: Pick) -> dict[str, Any]:
    latitude, longitude = pick(PLACES)
    return some(
        resourceType="Location",
        identifier=several(pick, lambda: identifier(pick)),
        name=pick([NOTHING, *FAMILIES]),
        alias=several(pick, lambda: pick(GIVENS)),
        status=pick([NOTHING, "active", "suspended"]),
        address=pick([NOTHING, address(pick)]),
        partOf=_maybe(pick, "Location"),
        managingOrganization=_maybe(pick, "Organization"),
        position=pick([NOTHING, {"latitude": latitude, "longitude": longitude}]),
    )


def risk_assessment(pick: Pick) -> dict[str, Any]:
    def probability() -> Any:
        return pick(
            [
                {"probabilityDecimal": number(pick(["0.5", "1.50", "1", "100", "1.2"]))},
                {"probabilityRange": amount_range(pick, "%")},
                {"qualitativeRisk": required_concept(pick)},
            ]
        )

    return some(
        resourceType="RiskAssessment",
        identifier=several(pick, lambda: identifier(pick)),
        status="final",
        subject=_subject(pick, "Patient"),
        encounter=_maybe(pick, "Encounter"),
        condition=_maybe(pick, "Condition"),
        prediction=several(pick, probability),
        occurrenceDateTime=pick([NOTHING, *DATES]),
    )


def condition(pick: Pick) -> dict[str, Any]:
    onset = [{}, {"onsetDateTime": pick(DATES)}, {"onsetPeriod": period(pick)}, {"onsetString": pick(FAMILIES)}]
    onset += [{"onsetAge": quantity(pick, compares=False) | {"system": UCUM, "code": pick(["a", "d"])}}]
    onset += [{"onsetRange": amount_range(pick, pick(["a", "d"]))}] * 2
    return some(
        resourceType="Condition",
        identifier=several(pick, lambda: identifier(pick)),
        code=pick([NOTHING, required_concept(pick)]),
        category=several(pick, lambda: required_concept(pick)),
        subject=_subject(pick, "Patient"),
        encounter=_maybe(pick, "Encounter"),
        recordedDate=pick([NOTHING, *DATES]),
        **some(**pick(onset)),
        **some(abatementPeriod=pick([NOTHING, period(pick)])),
    )


def value_set(pick: Pick) -> dict[str, Any]:
    def value() -> Any:
        return pick(
            [
                {"valueQuantity": quantity(pick)},
                {"valueRange": amount_range(pick, "a")},
                {"valueCodeableConcept": required_concept(pick)},
            ]
        )

    def code() -> Any:
        return some(system="urn:oid:1.2", code=pick(["a", "b"]))

    return some(
        resourceType="ValueSet",
        url=pick([NOTHING, *URIS]),
        identifier=several(pick, lambda: identifier(pick)),
        version=pick([NOTHING, "1", "2"]),
        name=pick([NOTHING, *FAMILIES]),
        title=pick([NOTHING, *GIVENS]),
        status=pick(["draft", "active"]),
        useContext=several(pick, lambda: {"code": code(), **value()}),
        compose=pick([NOTHING, {"include": [{"system": pick(URIS)}]}]),
    )


def document_reference(pick: Pick) -> dict[str, Any]:
    def relates() -> Any:
        return {"code": pick(["replaces", "appends"]), "target": _to(pick, "DocumentReference")}

    def attachment() -> Any:
        return some(contentType=pick(["text/plain", "application/pdf"]), url=pick([NOTHING, *URIS]), title="t")

    return some(
        resourceType="DocumentReference",
        status=pick(["current", "superseded"]),
        type=pick([NOTHING, required_concept(pick)]),
        category=several(pick, lambda: required_concept(pick)),
        subject=pick([NOTHING, _subject(pick, "Patient", "Practitioner")]),
        date=pick([NOTHING, DATES[6], DATES[8], DATES[9]]),
        description=pick([NOTHING, *FAMILIES]),
        relatesTo=several(pick, relates),
        content=[{"attachment": attachment()}, *several(pick, lambda: {"attachment": attachment()})],
        context=pick([NOTHING, some(period=period(pick))]),
    )


def group(pick: Pick) -> dict[str, Any]:
    def value() -> Any:
        return pick([{"valueCodeableConcept": required_concept(pick)}, {"valueBoolean": pick([True, False])}])

    return some(
        resourceType="Group",
        type=pick(["person", "device"]),
        actual=pick([True, False]),
        characteristic=several(
            pick, lambda: {"code": required_concept(pick), "exclude": pick([True, False]), **value()}
        ),
        member=several(pick, lambda: {"entity": _to(pick, "Patient", "Group")}),
    )


def appointment(pick: Pick) -> dict[str, Any]:
    def actor() -> Any:
        return _to(pick, "Patient", "Location", "Practitioner")

    start = pick([DATES[6], DATES[8], DATES[9]])
    return some(
        resourceType="Appointment",
        status=pick(["booked", "cancelled"]),
        specialty=several(pick, lambda: required_concept(pick)),
        participant=[
            {"actor": actor(), "status": "accepted"},
            *several(pick, lambda: {"actor": actor(), "status": pick(["declined", "tentative"])}),
        ],
        **pick([{}, {"start": start, "end": "2026-01-01T00:00:00Z"}]),
    )


def organization(pick: Pick) -> dict[str, Any]:
    return some(
        resourceType="Organization",
        identifier=several(pick, lambda: identifier(pick)),
        name=pick(FAMILIES),
        alias=several(pick, lambda: pick(GIVENS)),
        active=pick([NOTHING, True, False]),
        address=several(pick, lambda: address(pick)),
        partOf=_maybe(pick, "Organization"),
    )


MAKE: dict[str, Callable[[Pick], dict[str, Any]]] = {
    "Patient": patient,
    "Observation": observation,
    "Encounter": encounter,
    "MedicationRequest": medication_request,
    "Location": location,
    "RiskAssessment": risk_assessment,
    "Condition": condition,
    "ValueSet": value_set,
    "DocumentReference": document_reference,
    "Group": group,
    "Appointment": appointment,
    "Organization": organization,
}


def stored(pick: Pick, resource: dict[str, Any], id: str) -> Stored:
    return Stored(id, pick(UPDATED), resource)


def corpus(seed: int, count: int) -> dict[str, list[dict[str, Any]]]:
    """`count` resources of every type with ids x0, x1, ... in no order that anything else has."""
    choice = Random(seed)
    return {
        type: [make(choice.choice) | {"id": f"x{number}"} for number in choice.sample(range(count), count)]
        for type, make in MAKE.items()
    }
