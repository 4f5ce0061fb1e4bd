"""The sections of a document about one patient, as data: their codes, and which resources stand in them.

https://hl7.org/fhir/uv/ips/StructureDefinition-Composition-uv-ips.html,
https://hl7.org/cda/us/ccda/2.1/StructureDefinition-ContinuityofCareDocumentCCD.html
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fhir_server.core.resource import Resource
from fhir_server.formats.chart import Chart
from fhir_server.formats.wording import has_code

MOST = 200
"""Entries of a section of a summary, newest first; the record itself has all."""

_PREGNANCY = ("82810-3", "11778-8", "11779-6", "11780-4", "11636-8", "11637-6", "11638-4", "11639-2", "11640-0")

Chosen = Callable[[Chart], Iterable[Resource]]


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its LOINC code and display, its title, the types it is drawn from, and what of them is in it.

    One that is `required` stands in the document empty too.
    """

    code: str
    display: str
    title: str
    types: tuple[str, ...]
    chosen: Chosen
    required: bool = False

    def entries(self, chart: Chart) -> list[Resource]:
        """Its resources, newest first, MOST at most."""
        found: list[Resource] = []
        for each in self.chosen(chart):
            if len(found) == MOST:
                break
            found.append(each)
        return found


def is_in_error(resource: Resource) -> bool:
    """Whether it was entered in error: it is in no document."""
    verified = resource.get("verificationStatus", {})
    return resource.get("status") == "entered-in-error" or has_code(verified, "entered-in-error")


def kept(chart: Chart, *types: str) -> list[Resource]:
    """The resources of some types that were not entered in error."""
    return [each for type in types for each in chart.of(type) if not is_in_error(each)]


def latest(resources: Iterable[Resource]) -> list[Resource]:
    """The newest of each code, of resources that come newest first."""
    seen: set[tuple[tuple[str, str], ...] | str] = set()
    found: list[Resource] = []
    for each in resources:
        code = each.get("code", {})
        pairs = tuple(sorted((str(one.get("system")), str(one.get("code"))) for one in code.get("coding", ())))
        key = pairs or str(code.get("text"))
        if key not in seen:
            seen.add(key)
            found.append(each)
    return found


def observations(chart: Chart, *categories: str) -> list[Resource]:
    """The finished observations of some categories."""
    done = ("final", "amended", "corrected")
    found = kept(chart, "Observation")
    return [each for each in found if each.get("status") in done and has_code(each.get("category", []), *categories)]


def medications(chart: Chart) -> list[Resource]:
    """What the patient is to take now."""
    now = ("active", "on-hold", "intended", "unknown")
    return [
        each
        for each in kept(chart, "MedicationRequest", "MedicationStatement")
        if each.get("status") in now
        and each.get("doNotPerform") is not True
        and each.get("intent") not in ("proposal", "option")
    ]


def allergies(chart: Chart) -> list[Resource]:
    """What the patient does not tolerate, and statements that there is nothing of the kind."""
    return [
        each
        for each in kept(chart, "AllergyIntolerance")
        if not has_code(each.get("clinicalStatus", {}), "inactive", "resolved")
        and not has_code(each.get("verificationStatus", {}), "refuted")
    ]


def problems(chart: Chart) -> list[Resource]:
    """What the patient has now."""
    over = ("inactive", "remission", "resolved")
    return [
        each
        for each in kept(chart, "Condition")
        if not has_code(each.get("clinicalStatus", {}), *over)
        and not has_code(each.get("verificationStatus", {}), "refuted")
    ]


def immunizations(chart: Chart) -> list[Resource]:
    """What was given."""
    return [each for each in kept(chart, "Immunization") if each.get("status") == "completed"]


def results(chart: Chart) -> list[Resource]:
    """The latest of each laboratory and imaging result, and the reports."""
    done = ("final", "amended", "corrected", "appended")
    reports = [each for each in kept(chart, "DiagnosticReport") if each.get("status") in done]
    return [*latest(observations(chart, "laboratory", "imaging")), *latest(reports)]


def procedures(chart: Chart) -> list[Resource]:
    """What was done or is under way."""
    return [each for each in kept(chart, "Procedure") if each.get("status") in ("completed", "in-progress")]


def _vitals(chart: Chart) -> list[Resource]:
    return latest(observations(chart, "vital-signs"))


def social(chart: Chart) -> list[Resource]:
    """The latest of how the patient lives."""
    return [each for each in latest(observations(chart, "social-history")) if not _is_of_pregnancy(each)]


def _is_of_pregnancy(resource: Resource) -> bool:
    return has_code(resource.get("code", {}), *_PREGNANCY)


def _pregnancy(chart: Chart) -> list[Resource]:
    found = kept(chart, "Observation")
    return latest(each for each in found if each.get("status") in ("final", "amended") and _is_of_pregnancy(each))


def _devices(chart: Chart) -> list[Resource]:
    return [each for each in kept(chart, "DeviceUseStatement") if each.get("status") in ("active", "on-hold")]


def _plans(chart: Chart) -> list[Resource]:
    return [each for each in kept(chart, "CarePlan") if each.get("status") in ("active", "on-hold")]


def _directives(chart: Chart) -> list[Resource]:
    found = [each for each in kept(chart, "Consent") if each.get("status") == "active"]
    return [each for each in found if has_code(each.get("scope", {}), "adr") or has_code(each.get("category"), "acd")]


def encounters(chart: Chart) -> list[Resource]:
    """The visits that took place."""
    return [each for each in kept(chart, "Encounter") if each.get("status") in ("finished", "in-progress", "onleave")]


MEDICATIONS = Section(
    "10160-0",
    "History of Medication use Narrative",
    "Medications",
    ("MedicationRequest", "MedicationStatement"),
    medications,
    True,
)
ALLERGIES = Section(
    "48765-2",
    "Allergies and adverse reactions Document",
    "Allergies and intolerances",
    ("AllergyIntolerance",),
    allergies,
    True,
)
PROBLEMS = Section("11450-4", "Problem list - Reported", "Problems", ("Condition",), problems, True)
IMMUNIZATIONS = Section(
    "11369-6", "History of Immunization Narrative", "Immunizations", ("Immunization",), immunizations
)
RESULTS = Section(
    "30954-2",
    "Relevant diagnostic tests/laboratory data Narrative",
    "Results",
    ("Observation", "DiagnosticReport"),
    results,
)
PROCEDURES = Section("47519-4", "History of Procedures Document", "Procedures", ("Procedure",), procedures)
DEVICES = Section("46264-8", "History of medical device use", "Medical devices", ("DeviceUseStatement",), _devices)
VITALS = Section("8716-3", "Vital signs", "Vital signs", ("Observation",), _vitals)
SOCIAL = Section("29762-2", "Social history Narrative", "Social history", ("Observation",), social)
PREGNANCY = Section("10162-6", "History of pregnancies Narrative", "Pregnancies", ("Observation",), _pregnancy)
PLANS = Section("18776-5", "Plan of care note", "Plan of care", ("CarePlan",), _plans)
DIRECTIVES = Section("42348-3", "Advance directives", "Advance directives", ("Consent",), _directives)
ENCOUNTERS = Section(
    "46240-8", "History of Hospitalizations+Outpatient visits Narrative", "Encounters", ("Encounter",), encounters
)

IPS: Sequence[Section] = (
    MEDICATIONS,
    ALLERGIES,
    PROBLEMS,
    IMMUNIZATIONS,
    RESULTS,
    PROCEDURES,
    DEVICES,
    VITALS,
    SOCIAL,
    PREGNANCY,
    PLANS,
    DIRECTIVES,
)
"""Those of an International Patient Summary."""


def types_of(sections: Iterable[Section]) -> tuple[str, ...]:
    """The types that sections are drawn from."""
    return tuple(dict.fromkeys(type for each in sections for type in each.types))
