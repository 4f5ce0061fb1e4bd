"""The records of Anna and Ben, whole enough to be handed out, and callers of every kind who ask for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from msgspec import structs

from fhir_server.core.codec import decode
from fhir_server.core.outcome import FhirError
from fhir_server.core.proxied import Proxied
from fhir_server.core.trail import Trail
from fhir_server.definitions.own_operations import called
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.operation import call_by_query
from fhir_server.operations.table import OPERATIONS
from fhir_server.policy import Sight
from smart_auth.access import AccessContext
from tests.rest.in_process import BASE, opened, put
from tests.rest.narrowing import scope

SNOMED, LOINC, CVX, RXNORM = (
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://hl7.org/fhir/sid/cvx",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
)
ADOL = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ADOL"}
RESTRICTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
US_CORE_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"
TEST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
NASTY = "<script>alert(1)</script> ]]> & \"quoted\" 'so'"

Resource = dict[str, Any]


def concept(system: str, code: str, text: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}


def state(name: str, code: str) -> Resource:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{name}", "code": code}]}


def chart(id: str) -> list[Resource]:
    """What the record of a patient holds; ids begin with that of the patient."""
    subject = {"subject": {"reference": f"Patient/{id}"}}
    patient = {"patient": {"reference": f"Patient/{id}"}}
    allergy, condition = "allergyintolerance", "condition"
    category = "http://terminology.hl7.org/CodeSystem/observation-category"

    def observed(name: str, kind: str, code: str, text: str, **more: Any) -> Resource:
        return {
            "resourceType": "Observation",
            "id": f"{id}-{name}",
            "status": "final",
            "category": [{"coding": [{"system": category, "code": kind}]}],
            "code": concept(LOINC, code, text),
            "performer": [{"reference": "Practitioner/dr"}],
            "effectiveDateTime": "2025-03-01",
            **subject,
            **more,
        }

    def quantity(value: str, unit: str) -> Resource:
        return {
            "valueQuantity": {
                "value": Decimal(value),
                "unit": unit,
                "system": "http://unitsofmeasure.org",
                "code": unit,
            }
        }

    return [
        {
            "resourceType": "Patient",
            "id": id,
            "meta": {"security": [TEST]},
            "name": [{"family": f"Łukasiewicz-{id}", "given": ["Zoé", NASTY]}],
            "birthDate": "1970-02-03",
            "gender": "female",
            "generalPractitioner": [{"reference": "PractitionerRole/role"}],
        },
        {
            "resourceType": "AllergyIntolerance",
            "id": f"{id}-peanut",
            "clinicalStatus": state(f"{allergy}-clinical", "active"),
            "verificationStatus": state(f"{allergy}-verification", "confirmed"),
            "code": concept(SNOMED, "91935009", f"Peanut {NASTY}"),
            "recorder": {"reference": f"{BASE}/Practitioner/dr"},
            "reaction": [{"manifestation": [concept(SNOMED, "247472004", "Hives")]}],
            **patient,
        },
        {
            "resourceType": "Condition",
            "id": f"{id}-asthma",
            "meta": {"source": "https://va.example.org"},
            "clinicalStatus": state(f"{condition}-clinical", "active"),
            "verificationStatus": state(f"{condition}-ver-status", "confirmed"),
            "code": concept(SNOMED, "195967001", "Asthma"),
            "onsetDateTime": "2019",
            "recordedDate": "2019-05-01",
            "encounter": {"reference": f"Encounter/{id}-visit", "display": "The visit"},
            **subject,
        },
        {
            "resourceType": "Condition",
            "id": f"{id}-cold",
            "clinicalStatus": state(f"{condition}-clinical", "resolved"),
            "code": concept(SNOMED, "82272006", "Common cold"),
            "recordedDate": "2018-01-01",
            **subject,
        },
        {
            "resourceType": "Condition",
            "id": f"{id}-mistake",
            "verificationStatus": state(f"{condition}-ver-status", "entered-in-error"),
            "code": concept(SNOMED, "22298006", "Somebody else's infarction"),
            **subject,
        },
        {
            "resourceType": "MedicationRequest",
            "id": f"{id}-salbutamol",
            "status": "active",
            "intent": "order",
            "medicationReference": {"reference": "Medication/salbutamol"},
            "dosageInstruction": [{"text": "2 puffs when needed"}],
            "authoredOn": "2025-01-05",
            "requester": {"reference": "Practitioner/dr"},
            **subject,
        },
        {
            "resourceType": "Immunization",
            "id": f"{id}-flu",
            "status": "completed",
            "vaccineCode": concept(CVX, "140", "Influenza"),
            "occurrenceDateTime": "2024-10-01",
            "location": {"reference": "Location/clinic"},
            **patient,
        },
        {
            "resourceType": "Procedure",
            "id": f"{id}-spirometry",
            "status": "completed",
            "code": concept(SNOMED, "127783003", "Spirometry"),
            "performedDateTime": "2024-06-01",
            **subject,
        },
        {
            "resourceType": "Encounter",
            "id": f"{id}-visit",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "period": {"start": "2024-06-01T09:00:00Z", "end": "2024-06-01T09:30:00Z"},
            "location": [{"location": {"reference": "Location/clinic"}}],
            **subject,
        },
        observed("glucose", "laboratory", "2339-0", "Glucose", **quantity("95.0", "mg/dL")),
        observed("glucose-then", "laboratory", "2339-0", "Glucose", **quantity("99.0", "mg/dL"))
        | {"effectiveDateTime": "2023-03-01"},
        observed("weight", "vital-signs", "29463-7", "Body weight", **quantity("70.5", "kg")),
        observed("smoking", "social-history", "72166-2", "Tobacco smoking status", valueString="Never smoked 日本"),
        observed("teen", "laboratory", "2118-8", "Pregnancy test", valueString="hidden from parents")
        | {"meta": {"security": [ADOL]}},
        observed("secret", "laboratory", "7917-8", "HIV antibody", valueString="hidden as restricted")
        | {"meta": {"security": [RESTRICTED]}},
        {
            "resourceType": "DocumentReference",
            "id": f"{id}-note",
            "status": "current",
            "docStatus": "final",
            "type": concept(LOINC, "11506-3", "Progress note"),
            "category": [
                concept(
                    US_CORE_CATEGORY,
                    "clinical-note",
                    "Clinical Note",
                )
            ],
            "date": "2024-06-01T10:00:00Z",
            "context": {"period": {"start": "2024-06-01T09:00:00Z", "end": "2024-06-01T09:30:00Z"}},
            "content": [{"attachment": {"contentType": "text/plain", "data": "SGVsbG8="}}],
            **subject,
        },
        {
            "resourceType": "Communication",
            "id": f"{id}-message",
            "status": "completed",
            "sender": {"reference": f"Patient/{id}"},
            "recipient": [{"reference": "Practitioner/dr"}],
            "payload": [{"contentString": "between us"}],
            **subject,
        },
    ]


HOUSE = {"reference": "Organization/house"}
PILL = concept(RXNORM, "435", "Salbutamol")
SHARED: list[Resource] = [
    {"resourceType": "Organization", "id": "house", "name": "House of Health"},
    {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Healer", "given": ["Hana"]}]},
    {
        "resourceType": "PractitionerRole",
        "id": "role",
        "practitioner": {"reference": "Practitioner/dr"},
        "organization": {"reference": "Organization/house"},
    },
    {
        "resourceType": "Location",
        "id": "clinic",
        "name": "Clinic",
        "managingOrganization": {"reference": "Organization/house"},
    },
    {
        "resourceType": "Medication",
        "id": "salbutamol",
        "status": "active",
        "code": concept(RXNORM, "435", "Salbutamol"),
    },
]


@asynccontextmanager
async def charts(uri: str, name: str) -> AsyncIterator[RequestContext]:
    """A server with both records, as its operator sees it."""
    async with opened(uri, name) as context:
        for each in (*SHARED, *chart("anna"), *chart("ben")):
            await put(context, each)
        yield structs.replace(context, server=replace(context.server, operations=OPERATIONS))
        await context.server.database.client.drop_database(name)


def caller(kind: str, *granted: str, **more: Any) -> Sight:
    """A caller of a kind with these scopes; `related` and `proxied` are of the sight, all else of the token."""
    related, proxied = frozenset(more.pop("related", ())), tuple(more.pop("proxied", ()))
    places = tuple(more.pop("places", ()))
    access = AccessContext(more.pop("subject", kind), "app", kind, tuple(map(scope, granted)), **more)  # type: ignore[arg-type]
    return Sight(access, related, places, proxied)


def patient(id: str = "anna", *granted: str, **more: Any) -> Sight:
    return caller("patient", *(granted or ("patient/*.rs",)), patient=id, patients=(id,), subject=id, **more)


def clinician(*related: str, **more: Any) -> Sight:
    return caller("practitioner", "user/*.rs", related=related, fhir_user="Practitioner/p7", **more)


def parent(child: str = "anna") -> Sight:
    """Who acts for a teenager, whose labelled rows are left out."""
    label = f"adol|{ADOL['system']}"
    return caller("patient", "user/*.rs", patients=("mother",), proxied=(Proxied(child, (label,)),))


def system(**more: Any) -> Sight:
    return caller("system", "system/*.rs", **more)


async def operate(context: RequestContext, sight: Sight | None, path: str, *pairs: tuple[str, str]) -> Answer:
    """The answer of a GET of an operation; its accesses are left in the trail of `asked_by`."""
    *place, code = path.split("/")
    type, id = place[0], place[1] if len(place) > 1 else ""
    operation = called(type, "instance" if id else "type", code.removeprefix("$"))
    assert operation is not None, path
    run = OPERATIONS[type, operation.code]
    asking = structs.replace(context, sight=sight or context.sight, trail=Trail())
    answer: Answer = await run(asking, call_by_query(operation, type, id, pairs))
    if sight is not None:
        assert [each.exported for each in asking.trail.accesses if each.exported], "an export is noted"
    return answer


async def bundle(context: RequestContext, sight: Sight | None, path: str, *pairs: tuple[str, str]) -> Resource:
    """The same as JSON."""
    answer = await operate(context, sight, path, *pairs)
    assert answer.body is not None
    found: Resource = decode(answer.body)
    return found


async def refused(context: RequestContext, sight: Sight | None, path: str, *pairs: tuple[str, str]) -> FhirError:
    """The refusal of one."""
    try:
        await operate(context, sight, path, *pairs)
    except FhirError as error:
        return error
    raise AssertionError("it was answered")
