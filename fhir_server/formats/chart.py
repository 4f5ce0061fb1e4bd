"""A patient's record as generated documents read it: its resources by type, and each of them in one line of words.

https://hl7.org/fhir/R4/resourcelist.html
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.core.reference import parse_reference
from fhir_server.core.resource import Resource
from fhir_server.formats.wording import concept, concepts, day, human_name, plain, quantity, source_of, value_of

_LABEL_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


@dataclass(frozen=True, slots=True)
class Chart:
    """The record of one patient as one caller sees it.

    `resources` are those of the record by type, newest first; `referred` what they refer to by place
    (`Practitioner/p7`). Types in `whole` are those of which nothing can be hidden from the caller; of any other, that
    nothing is there does not mean that there is nothing. `own_bases` are those under which a reference means a resource
    of this server.
    """

    patient: Resource
    resources: Mapping[str, Sequence[Resource]]
    referred: Mapping[str, Resource] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()
    own_bases: tuple[str, ...] = ()
    _contained: dict[int, tuple[Resource, Mapping[str, Resource]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def of(self, type: str) -> Sequence[Resource]:
        """The resources of a type, newest first."""
        return self.resources.get(type, ())

    @property
    def is_synthetic(self) -> bool:
        """Whether the patient is labelled as made for tests."""
        return is_synthetic(self.patient)

    def target(self, reference: Any, within: Resource) -> Resource | None:
        """What a Reference leads to: contained, of the record, or beside it."""
        text = reference.get("reference") if isinstance(reference, Mapping) else None
        if not isinstance(text, str):
            return None
        if text.startswith("#"):
            return self._inside(within).get(text[1:])
        return self.referred.get(self.local(text) or "")

    def _inside(self, within: Resource) -> Mapping[str, Resource]:
        """What a resource contains by id. Kept: one that contains thousands may refer to each of them. The resource is
        kept with it, so that its address is no other one's.
        """
        found = self._contained.get(id(within))
        if found is None:
            inside = {each["id"]: each for each in reversed(within.get("contained", ())) if "id" in each}
            found = self._contained[id(within)] = (within, inside)
        return found[1]

    def local(self, text: str) -> str | None:
        """The place of a resource of this server that a reference names (`Practitioner/p7`); None for any other."""
        named = parse_reference(text)
        return named.local if named is not None and named.base in (None, *self.own_bases) else None

    def named(self, reference: Any, within: Resource) -> str:
        """What a Reference leads to, by name; its display where nothing is known of it."""
        found = self.target(reference, within)
        if found is not None:
            return name_of(found)
        return plain(reference.get("display", "")) if isinstance(reference, Mapping) else ""


def is_synthetic(resource: Resource) -> bool:
    """Whether a resource is labelled HTEST: made for tests."""
    meta = resource.get("meta", {})
    labels = [*meta.get("security", ()), *meta.get("tag", ())]
    return any(each.get("system") == _LABEL_SYSTEM and each.get("code") == "HTEST" for each in labels)


def name_of(resource: Resource) -> str:
    """What a person, place or product is called."""
    names = resource.get("name")
    if isinstance(names, str):
        return plain(names)
    if isinstance(names, list):
        return human_name(names)
    devices = resource.get("deviceName", ())
    return (
        concept(resource.get("code"))
        or concept(resource.get("type"))
        or plain(devices[0].get("name") if devices else "")
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A resource in words: when, what, what came of it or how it is taken, its status, and whose word it is."""

    when: str
    what: str
    detail: str
    status: str
    source: str

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """In the order of COLUMNS."""
        return self.when, self.what, self.detail, self.status, self.source


COLUMNS = ("Date", "What", "Details", "Status", "Source")


def line_of(chart: Chart, resource: Resource) -> Line:
    """A resource of the record in words."""
    what, detail = _WORDS.get(resource["resourceType"], _other)(chart, resource)
    source = source_of(resource) or chart.named(_first(resource, "managingOrganization", "custodian"), resource)
    if is_synthetic(resource):
        source = f"{source} (synthetic)".strip()
    what = what or "not stated"
    return Line(when_of(resource), what, "; ".join(filter(None, detail)), status_of(resource), source)


_WHEN = (
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "occurrenceDateTime",
    "performedDateTime",
    "performedPeriod",
    "onsetDateTime",
    "onsetPeriod",
    "period",
    "authoredOn",
    "recordedDate",
    "date",
    "whenHandedOver",
    "started",
    "created",
    "issued",
    "dateTime",
    "dateAsserted",
    "timingDateTime",
    "timingPeriod",
    "dateWritten",
    "sent",
)


def when_of(resource: Resource) -> str:
    """When it was, to the day."""
    for name in _WHEN:
        found = day(resource.get(name))
        if found:
            return found
    return ""


def status_of(resource: Resource) -> str:
    """Its status: the clinical one where it has one, and whether it is not sure."""
    clinical = concept(resource.get("clinicalStatus")) if resource.get("clinicalStatus") else ""
    verified = concept(resource.get("verificationStatus")) if resource.get("verificationStatus") else ""
    status = clinical or plain(resource.get("status", ""))
    return f"{status} ({verified})" if verified and verified.lower() != "confirmed" else status


Words = tuple[str, Iterable[str]]


def _first(resource: Resource, *names: str) -> Any:
    return next((resource[name] for name in names if resource.get(name)), None)


def _notes(resource: Resource) -> str:
    return " ".join(plain(each.get("text")) for each in resource.get("note", ()) if each.get("text"))


def _allergy(chart: Chart, resource: Resource) -> Words:
    reactions = [concepts(each.get("manifestation")) for each in resource.get("reaction", ())]
    criticality = resource.get("criticality")
    return concept(resource.get("code")), [
        ", ".join(filter(None, reactions)),
        f"criticality {plain(criticality)}" if criticality else "",
        _notes(resource),
    ]


def _condition(chart: Chart, resource: Resource) -> Words:
    severity = concept(resource.get("severity"))
    ended = day(resource.get("abatementDateTime"))
    return concept(resource.get("code")), [severity, f"ended {ended}" if ended else "", _notes(resource)]


def medication(chart: Chart, resource: Resource) -> str:
    """The medicine of an order, a statement or a dispensing."""
    named = concept(resource.get("medicationCodeableConcept"))
    return named or chart.named(resource.get("medicationReference"), resource)


def _medicine(chart: Chart, resource: Resource) -> Words:
    dosages = [*resource.get("dosageInstruction", ()), *resource.get("dosage", ())]
    texts = [plain(each.get("text")) or concept(each.get("route")) for each in dosages if isinstance(each, dict)]
    by = chart.named(_first(resource, "requester"), resource)
    is_asked_for = resource.get("intent") == "proposal"
    said = [
        "not to be given" if resource.get("doNotPerform") is True else "",
        "asked for, not ordered" if is_asked_for else "",
        *texts,
        f"{'asked for' if is_asked_for else 'ordered'} by {by}" if by else "",
        _notes(resource),
    ]
    return medication(chart, resource), said


def _immunization(chart: Chart, resource: Resource) -> Words:
    lot, place = plain(resource.get("lotNumber", "")), chart.named(resource.get("location"), resource)
    return concept(resource.get("vaccineCode")), [f"lot {lot}" if lot else "", place]


def observed(resource: Resource) -> str:
    """What was observed, its components too."""
    parts = [value_of(resource)]
    for each in resource.get("component", ()):
        parts.append(f"{concept(each.get('code'))} {value_of(each) or concept(each.get('dataAbsentReason'))}".strip())
    return "; ".join(filter(None, parts)) or concept(resource.get("dataAbsentReason"))


def _observation(chart: Chart, resource: Resource) -> Words:
    ranges = [
        plain(each.get("text")) or f"{quantity(each.get('low'))} - {quantity(each.get('high'))}"
        for each in resource.get("referenceRange", ())
    ]
    flags = concepts(resource.get("interpretation"))
    reference = f"reference {', '.join(ranges)}" if ranges else ""
    return concept(resource.get("code")), [observed(resource), flags, reference, _notes(resource)]


def _report(chart: Chart, resource: Resource) -> Words:
    return concept(resource.get("code")), [plain(resource.get("conclusion", ""))]


def _procedure(chart: Chart, resource: Resource) -> Words:
    return concept(resource.get("code")), [concepts(resource.get("reasonCode")), _notes(resource)]


def _encounter(chart: Chart, resource: Resource) -> Words:
    places = [chart.named(each.get("location"), resource) for each in resource.get("location", ())]
    who = [chart.named(each.get("individual"), resource) for each in resource.get("participant", ())]
    what = concepts(resource.get("type")) or concept(resource.get("class"))
    return what, [concepts(resource.get("reasonCode")), ", ".join(filter(None, places)), ", ".join(filter(None, who))]


def _document(chart: Chart, resource: Resource) -> Words:
    authors = [chart.named(each, resource) for each in resource.get("author", ())]
    return concept(resource.get("type")) or "Document", [plain(resource.get("description", "")), *authors]


def _device_use(chart: Chart, resource: Resource) -> Words:
    return chart.named(resource.get("device"), resource), [concepts(resource.get("reasonCode"))]


def _plan(chart: Chart, resource: Resource) -> Words:
    what = plain(resource.get("title", "")) or concepts(resource.get("category"))
    return what, [plain(resource.get("description", "")), plain(resource.get("intent", ""))]


def _consent(chart: Chart, resource: Resource) -> Words:
    return concepts(resource.get("category")) or concept(resource.get("scope")), [
        plain(resource.get("provision", {}).get("type", ""))
    ]


def _other(chart: Chart, resource: Resource) -> Words:
    named = _first(resource, "code", "type", "category")
    what = concept(named) if isinstance(named, dict) else concepts(named) if isinstance(named, list) else ""
    return what or name_of(resource), [plain(resource.get("description", ""))]


_WORDS: dict[str, Callable[[Chart, Resource], Words]] = {
    "AllergyIntolerance": _allergy,
    "Condition": _condition,
    "MedicationRequest": _medicine,
    "MedicationStatement": _medicine,
    "MedicationDispense": _medicine,
    "MedicationAdministration": _medicine,
    "Immunization": _immunization,
    "Observation": _observation,
    "DiagnosticReport": _report,
    "Procedure": _procedure,
    "Encounter": _encounter,
    "DocumentReference": _document,
    "DeviceUseStatement": _device_use,
    "CarePlan": _plan,
    "Consent": _consent,
}
