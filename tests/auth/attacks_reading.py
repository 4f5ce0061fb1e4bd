"""What patient a might send to learn something of patient b: by every interaction, parameter and header."""

from collections.abc import Iterator, Sequence
from typing import Any

from fhir_server.definitions.registry import resource_types
from tests.auth.two_worlds import HIDDEN, SECRET, A, B, Sent
from tests.rest.writers import entry

PLACES = (*HIDDEN, "Observation/never-there", "Patient/never-there", "Observation/za-1", f"Patient/{A}")

_READ_HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"if-none-match": 'W/"1"'},
    {"if-none-match": "*"},
    {"if-modified-since": "Wed, 01 Jan 2020 00:00:00 GMT"},
    {"if-modified-since": "Tue, 01 Jan 2036 00:00:00 GMT"},
    {"accept": "text/html"},
    {"prefer": "handling=lenient"},
)
_READ_RESTS = (
    "?_summary=true",
    "?_elements=id",
    "?_format=html",
    "?_summary=count",
    "?_pretty=true",
    "/",
    "?x=1",
    "/_history?_count=0",
    "/_history?_since=2020-01-01T00:00:00Z",
    "/_history?_format=html",
    "/_history/3",
    "/_history/0",
    "/_history/x",
    "/_history/1?_format=html",
    "/$everything",
    "/_search",
)


def get(url: str, **headers: str) -> Sent:
    return Sent("GET", url, headers=headers)


def _instances() -> Iterator[Sent]:
    for number, place in enumerate(PLACES):
        yield get(place)
        yield Sent("HEAD", place)
        yield get(f"{place}/_history")
        yield get(f"{place}/_history/1")
        yield get(f"{place}/_history/2")
        # The rest by turns: what differs from one place to the next is whether anything is there.
        yield from (Sent("GET", place, headers=each) for each in _READ_HEADERS[number % 2 :: 2])
        yield from (get(f"{place}{rest}") for rest in _READ_RESTS[number % 3 :: 3])


def _compartments() -> Iterator[Sent]:
    for place in (f"Patient/{B}", f"Patient/{A}", "Encounter/zb-visit", "Device/zb-device", "RelatedPerson/zb-parent"):
        for inner in (
            "*",
            "Observation",
            "Condition",
            "AllergyIntolerance",
            "Group",
            "Person",
            "Patient",
            "Provenance",
        ):
            for query in ("", "?_summary=count&_total=accurate"):
                yield get(f"{place}/{inner}{query}")
        yield Sent("POST", f"{place}/Observation/_search", form="status=final")
        yield Sent("POST", f"{place}/_search", form="_summary=count")
    yield get("Practitioner/dr/*")
    yield get("Practitioner/dr/Patient")


_OBSERVATIONS = [
    "",
    f"subject=Patient/{B}",
    f"subject:Patient={B}",
    f"patient={B}",
    f"patient={A},{B}",
    "patient.name=" + SECRET,
    "patient:not=" + A,
    "subject:missing=true",
    "subject:missing=false",
    "subject:identifier=urn:mrn|b1",
    "_id=zb-1",
    "_id=zb-1,za-1",
    "_id:not=za-1",
    "status=final",
    "status:not=final",
    "code=http://loinc.org|8302-2",
    "code:text=" + SECRET,
    "code:in=http://example.org/none",
    f"value-string={SECRET}",
    f"value-string:contains={SECRET[:4]}",
    "value-quantity=gt4",
    "date=gt2020-01-01",
    "date=lt2030-01-01",
    "category=laboratory",
    "combo-code=8302-2",
    "code-value-quantity=8302-2$gt1",
    f"_content={SECRET}",
    f"_text={SECRET}",
    "_content=mine",
    "_text:contains=mine",
    "_lastUpdated=gt2020-01-01",
    "_lastUpdated=lt2020-01-01",
    "_profile=http://example.org/p",
    "_tag=x",
    "_security=R",
    "_source=urn:x",
    "_list=zb-list",
    "_list=za-list",
    "_list=never-there",
    "focus=Patient/" + B,
    "focus:Patient.name=" + SECRET,
    "has-member=Observation/zb-1",
    f"has-member.value-string={SECRET}",
    f"has-member.patient={B}",
    "has-member.has-member.status=final",
    "derived-from=Observation/zgone",
    "derived-from.status=final",
    "derived-from:Observation.status=final",
    "performer=Practitioner/dr",
    "performer:Patient.name=" + SECRET,
    "performer:Practitioner.name=healer",
    "encounter=zb-visit",
    "encounter.status=finished",
    "subject:Patient.identifier=urn:mrn|a1",
    "subject:Patient.identifier=urn:mrn|b1",
    "subject:Patient.general-practitioner.name=healer",
    "subject:Patient.link.name=anna",
    "subject:Group.type=person",
    "subject:Group.member=Patient/" + A,
    "_has:Provenance:target:agent=Practitioner/dr",
    f"_has:Provenance:target:agent=Patient/{A}",
    "_has:Observation:has-member:status=final",
    f"_has:Observation:has-member:patient={B}",
    "_has:Observation:has-member:_has:Observation:has-member:status=final",
    "_has:Goal:addresses:_id=zb-goal",
    "_has:List:item:status=current",
    "_has:List:item:_id=zb-list",
    "_has:Task:focus:status=draft",
    f"_has:Task:focus:patient={B}",
    "_has:Task:focus:owner.name=" + SECRET,
    f"_filter=value-string eq {SECRET}",
    f"_filter=patient eq {B} or status eq final",
    "_filter=not (patient eq zann)",
    f"_filter=patient.name eq {SECRET}",
    "_filter=_id eq zb-1 or _id eq za-1",
    "_filter=derived-from.status eq final",
]
_RESULTS = [
    "",
    "_summary=count",
    "_total=accurate",
    "_total=estimate&_count=1",
    "_total=none",
    "_count=0",
    "_count=1",
    "_sort=-date,_id",
    "_sort=-_lastUpdated",
    "_include=*",
    "_revinclude=*",
    "_include=*&_include:iterate=*&_revinclude=*&_revinclude:iterate=*",
    "_elements=id",
    "_format=html",
    "__explain=true",
]


def _searches() -> Iterator[Sent]:
    for number, query in enumerate(_OBSERVATIONS):
        yield get(f"Observation?{query}")
        more = _RESULTS[number % len(_RESULTS)]
        yield get(f"Observation?{query}&{more}")
        yield Sent("POST", "Observation/_search", form=f"{query}&{_RESULTS[(number * 7 + 3) % len(_RESULTS)]}")
    for more in _RESULTS:
        yield get(f"Observation?{more}")
        yield get(f"Patient?{more}")
        yield get(f"Observation?status=final&{more}")


_OTHERS = [
    "Patient?",
    "Patient?name=" + SECRET,
    "Patient?name:contains=only",
    "Patient?identifier=urn:mrn|b1",
    "Patient?identifier=urn:mrn|a1",
    "Patient?identifier:of-type=x|y|z",
    "Patient?gender=female",
    "Patient?gender:not=male",
    "Patient?birthdate=1980-01-01",
    "Patient?link=Patient/" + A,
    "Patient?link.name=anna",
    "Patient?general-practitioner=Practitioner/dr",
    "Patient?general-practitioner.name=healer",
    "Patient?_has:Observation:patient:status=final",
    f"Patient?_has:Observation:patient:value-string={SECRET}",
    "Patient?_has:Observation:subject:performer.name=healer",
    "Patient?_has:Observation:performer:status=final",
    "Patient?_has:Condition:asserter:_id=zb-condition",
    "Patient?_has:Communication:recipient:status=completed",
    "Patient?_has:Group:member:type=person",
    "Patient?_has:Person:link:_id=zperson",
    "Patient?_has:Encounter:patient:_has:Encounter:part-of:status=finished",
    "Patient?_list=zb-list",
    "Patient?_id=" + B,
    f"Patient?_id={A},{B}",
    f"Patient?_filter=name eq {SECRET} or name eq anna",
    "Patient?_text=mine",
    f"Patient?_content={SECRET}",
    "Patient?phonetic=anna",
    "Patient?_revinclude=*",
    "Patient?_include=*&_revinclude:iterate=*&_include:iterate=*",
    "Patient?_revinclude=Observation:focus",
    "Patient?_revinclude=Communication:recipient&_revinclude=Condition:asserter&_revinclude=AllergyIntolerance:asserter",
    "Patient?_revinclude=Group:member&_revinclude=Person:link&_revinclude=Patient:link",
    "Patient?_sort=family",
    "Patient?_sort=-birthdate&_count=1",
    "Practitioner?_revinclude=*",
    "Practitioner?_revinclude=Patient:general-practitioner&_revinclude=Encounter:participant",
    "Practitioner?_has:Patient:general-practitioner:name=" + SECRET,
    "Practitioner?_has:Patient:general-practitioner:gender=female&_summary=count",
    "Practitioner?_has:Encounter:participant:status=finished",
    "Practitioner?_has:Observation:performer:value-string=" + SECRET,
    "Practitioner?_has:Observation:performer:patient=" + B,
    "Medication?_contained=true",
    "Medication?_contained=both",
    "Medication?_contained=true&_containedType=contained",
    f"Medication?_contained=true&code:text={SECRET}",
    "Medication?_contained=both&_total=accurate&_count=1",
    f"MedicationRequest?medication.code:text={SECRET}",
    "MedicationRequest?medication:Medication.status=active",
    "List?item=Observation/za-1",
    "List?item.value-string=" + SECRET,
    "List?_include=List:item",
    f"List?title={SECRET}",
    "Goal?_include=*",
    "Condition?",
    "Condition?_summary=count",
    "AllergyIntolerance?_total=accurate",
    "Encounter?",
    "Group?",
    "Group?member=Patient/" + A,
    "Group?_summary=count",
    "Person?link=Patient/" + A,
    "Provenance?agent=Patient/" + A,
    "Provenance?target=Observation/zb-1",
    "Provenance?target:Observation.value-string=" + SECRET,
    "Provenance?patient=" + B,
    "Task?owner=Patient/" + A,
    "Task?focus=Observation/za-1",
    "Communication?recipient=Patient/" + A,
    "Communication?sender=Patient/" + A,
    "RelatedPerson?patient=" + B,
    "Device?patient=" + B,
    "AuditEvent?patient=" + B,
    "AuditEvent?entity=Patient/" + B,
    "Binary?",
    "Bundle?",
    "CareTeam?patient.link.name=" + SECRET,
    "?_type=Observation,Patient",
    "?_type=Observation,Condition&_summary=count",
    "?_type=Group",
    "?_type=Person,Group&_summary=count",
    "?_id=zb-1",
    f"?_content={SECRET}",
    "?_text=mine",
    "?_lastUpdated=gt2020-01-01&_count=2",
    "?_count=1",
    "?_summary=count",
    "?_total=accurate&_count=1",
    "?_total=estimate&_count=1",
    "?_type=Observation&_list=zb-list",
    "_history",
    "_history?_count=0",
    "_history?_count=1",
    "_history?_since=2020-01-01T00:00:00Z",
    "Observation/_history",
    "Observation/_history?_count=0",
    "Observation/_history?_count=2",
    "Group/_history",
    "Group/_history?_count=0",
    "Condition/_history?_count=0",
    "Patient/_history",
    "Patient/_history?_format=html",
    "metadata",
    "metadata?mode=terminology",
    "Patient?access_token=patient",
    "",
]


def _others() -> Iterator[Sent]:
    for number, url in enumerate(_OTHERS):
        yield get(url)
        if "?" in url:
            yield get(f"{url}&{('_total=accurate', '_format=html', '_summary=count')[number % 3]}")
            type, _, form = url.partition("?")
            yield Sent("POST", f"{type}/_search" if type else "_search", form=form)


def _every_type() -> Iterator[Sent]:
    for number, type in enumerate(resource_types()):
        yield get(f"{type}?_summary=count")
        yield get((f"{type}?_count=1", f"{type}/_history?_count=0", f"Patient/{B}/{type}?_summary=count")[number % 3])


def bundle(type: str, *entries: dict[str, Any]) -> Sent:
    return Sent("POST", "", {"resourceType": "Bundle", "type": type, "entry": list(entries)})


def _bundled_reads() -> Iterator[Sent]:
    urls = [*PLACES, *(f"{place}/_history" for place in PLACES), *(f"{place}/_history/1" for place in PLACES)]
    urls += [f"Observation?{query}" for query in _OBSERVATIONS] + [
        url for url in _OTHERS if url not in ("metadata", "")
    ]
    for start in range(0, len(urls), 40):
        entries = [entry("GET", url.replace(" ", "%20")) for url in urls[start : start + 40]]
        yield bundle("batch", *entries)
    for place in PLACES:
        conditional = entry("GET", place, ifNoneMatch='W/"1"')
        yield bundle("batch", conditional, entry("GET", place, ifModifiedSince="2036-01-01T00:00:00Z"))
        yield bundle("transaction", entry("GET", place), entry("HEAD", place))


READS: dict[str, Sequence[Sent]] = {
    "by id and version": list(_instances()),
    "by compartment": list(_compartments()),
    "by search of Observation": list(_searches()),
    "by search of others": list(_others()),
    "by type": list(_every_type()),
    "by Bundle": list(_bundled_reads()),
}
