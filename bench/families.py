"""The searches measured at several sizes: one row for each family, with values taken out of a loaded chart.

https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from bench.charts import LOINC, MEMBER_NUMBER, REPORT_NUMBER, SITE, UCUM, Chart, Record

PAGE_SIZE = 10
DEEP_PAGE = 500


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of search. `path` makes one of its requests out of a chart, beginning after the FHIR base.

    `page` is the page measured, reached by the `next` links before it. `is_floor` says that the floor answers it too.
    """

    name: str
    what: str
    path: Callable[[Chart], str]
    page: int = 1
    is_floor: bool = False


def _search(type: str, *pairs: tuple[str, str]) -> str:
    return f"/{type}?{urlencode(pairs, safe=':|/$,*')}"


def _of(chart: Chart) -> tuple[str, str]:
    return "patient", chart.patient["id"]


def _code(record: Record) -> str:
    coding = record["code"]["coding"][0]
    return f"{coding['system']}|{coding['code']}"


def _near_value(chart: Chart, prefix: str) -> str:
    quantity = chart.observations[0]["valueQuantity"]
    return f"{prefix}{quantity['value']}|{UCUM}|{quantity['code']}"


def _family_name(chart: Chart) -> str:
    name: str = chart.patient["name"][0]["family"]
    return name


def _word(chart: Chart) -> str:
    return str(chart.conditions[0]["text"]["div"]).split()[-1].removesuffix("</div>")


def _note_word(chart: Chart) -> str:
    return str(chart.conditions[0]["note"][0]["text"]).split()[0]


def _value_of(chart: Chart) -> str:
    return f"{_code(chart.observations[0])}${_near_value(chart, 'gt')}"


def _site(chart: Chart) -> str:
    return str(chart.patient["managingOrganization"]["reference"]).replace("Organization/organization-", "site-")


def _first_day(chart: Chart) -> str:
    return str(chart.observations[0]["effectiveDateTime"])[:10]


FLOOR_SEARCH = Family(
    "a patient's list",
    "50 Observations, newest first",
    lambda chart: _search("Observation", _of(chart), ("_sort", "-date"), ("_count", "50")),
    is_floor=True,
)

IN_A_RECORD = (
    FLOOR_SEARCH,
    Family("token", "by code", lambda c: _search("Observation", _of(c), ("code", _code(c.observations[0])))),
    Family(
        "token, :not", "any other code", lambda c: _search("Observation", _of(c), ("code:not", _code(c.pressures[0])))
    ),
    Family("string", "code:text", lambda c: _search("Observation", _of(c), ("code:text", "body"))),
    Family("date", "since a year", lambda c: _search("Observation", _of(c), ("date", "ge2024"))),
    Family("number", "probability", lambda c: _search("RiskAssessment", _of(c), ("probability", "gt0.01"))),
    Family("quantity", "by unit", lambda c: _search("Observation", _of(c), ("value-quantity", _near_value(c, "ge")))),
    Family(
        "composite", "code and value", lambda c: _search("Observation", _of(c), ("code-value-quantity", _value_of(c)))
    ),
    Family("reference", "of a visit", lambda c: _search("Observation", _of(c), ("encounter", c.encounters[0]["id"]))),
    Family(
        "include", "with the visits", lambda c: _search("Observation", _of(c), ("_include", "Observation:encounter"))
    ),
    Family(
        "revinclude",
        "visits with their Observations",
        lambda c: _search("Encounter", _of(c), ("_revinclude", "Observation:encounter")),
    ),
    Family("sort", "by value", lambda c: _search("Observation", _of(c), ("_sort", "value-quantity"))),
    Family(
        "_filter",
        "code eq",
        lambda c: _search("Observation", _of(c), ("_filter", f"code eq {_code(c.observations[0])}")),
    ),
    Family("_text", "a word of a narrative", lambda c: _search("Condition", _of(c), ("_text", _word(c)))),
    Family("count", "_summary=count", lambda c: _search("Observation", _of(c), ("_summary", "count"))),
    Family("system search", "two types", lambda c: f"/?_type=Condition,Procedure&patient={c.patient['id']}"),
    Family(
        "compartment",
        "Observations",
        lambda c: f"/Patient/{c.patient['id']}/Observation?code={_code(c.observations[0])}",
    ),
    Family("compartment, all types", "*", lambda c: f"/Patient/{c.patient['id']}/*"),
)
"""Searches that name a patient."""

OVER_ALL_RECORDS = (
    Family("no parameter", "newest written", lambda c: _search("Observation")),
    Family(
        "token, one match",
        "identifier",
        lambda c: _search("Patient", ("identifier", f"{MEMBER_NUMBER}|{c.patient['identifier'][0]['value']}")),
    ),
    Family("token, many matches", "a code", lambda c: _search("Observation", ("code", _code(c.observations[0])))),
    Family(
        "token, two",
        "code and status",
        lambda c: _search("Observation", ("code", _code(c.pressures[0])), ("status", "final")),
    ),
    Family("string", "family name", lambda c: _search("Patient", ("family", _family_name(c)))),
    Family("string, :exact", "family name", lambda c: _search("Patient", ("family:exact", _family_name(c)))),
    Family("string, :contains", "family name", lambda c: _search("Patient", ("family:contains", _family_name(c)[2:]))),
    Family("date", "one day", lambda c: _search("Observation", ("date", _first_day(c)))),
    Family("date, birthdate", "one day", lambda c: _search("Patient", ("birthdate", c.patient["birthDate"]))),
    Family("number", "above 0.99", lambda c: _search("RiskAssessment", ("probability", "gt0.99"))),
    Family("quantity", "one value", lambda c: _search("Observation", ("value-quantity", _near_value(c, "")))),
    Family("quantity, from a value", "gt", lambda c: _search("Observation", ("value-quantity", _near_value(c, "gt")))),
    Family("composite", "code and value", lambda c: _search("Observation", ("code-value-quantity", _value_of(c)))),
    Family(
        "composite of components",
        "systolic above 170",
        lambda c: _search("Observation", ("component-code-value-quantity", f"{LOINC}|8480-6$gt170|{UCUM}|mm[Hg]")),
    ),
    Family(
        "reference", "of a visit", lambda c: _search("Observation", ("encounter", f"Encounter/{c.encounters[0]['id']}"))
    ),
    Family(
        "chain, one patient",
        "patient.identifier",
        lambda c: _search(
            "Observation", ("patient.identifier", f"{MEMBER_NUMBER}|{c.patient['identifier'][0]['value']}")
        ),
    ),
    Family(
        "chain, some patients",
        "patient.birthdate",
        lambda c: _search("Observation", ("patient.birthdate", c.patient["birthDate"])),
    ),
    Family(
        "chain, half of the patients",
        "patient.gender",
        lambda c: _search("Observation", ("patient.gender", c.patient["gender"])),
    ),
    Family(
        "chain, two links",
        "patient.organization.identifier",
        lambda c: _search("Observation", ("patient.organization.identifier", f"{SITE}|{_site(c)}")),
    ),
    Family(
        "reverse chain, one match",
        "_has a report by identifier",
        lambda c: _search(
            "Patient",
            ("_has:DiagnosticReport:patient:identifier", f"{REPORT_NUMBER}|{c.report['identifier'][0]['value']}"),
        ),
    ),
    Family(
        "reverse chain, many matches",
        "_has a condition by code",
        lambda c: _search("Patient", ("_has:Condition:patient:code", _code(c.conditions[0]))),
    ),
    Family(
        "include",
        "with patient and visit",
        lambda c: _search(
            "Observation",
            ("code", _code(c.observations[0])),
            ("_include", "Observation:encounter"),
            ("_include", "Observation:patient"),
        ),
    ),
    Family(
        "revinclude",
        "a patient with all conditions",
        lambda c: _search("Patient", ("birthdate", c.patient["birthDate"]), ("_revinclude", "Condition:patient")),
    ),
    Family("sort", "by date", lambda c: _search("Observation", ("code", _code(c.pressures[0])), ("_sort", "-date"))),
    Family("sort, by family name", "all patients", lambda c: _search("Patient", ("_sort", "family"))),
    Family("page 1", f"{PAGE_SIZE} Observations", lambda c: _search("Observation", ("_count", str(PAGE_SIZE)))),
    Family(
        f"page {DEEP_PAGE}",
        f"{PAGE_SIZE} Observations",
        lambda c: _search("Observation", ("_count", str(PAGE_SIZE))),
        page=DEEP_PAGE,
    ),
    Family("_text", "a word of a narrative", lambda c: _search("Condition", ("_text", _word(c)))),
    Family("_content", "a word of a note", lambda c: _search("Condition", ("_content", _note_word(c)))),
    Family(
        "count",
        "of a code",
        lambda c: _search("Observation", ("code", _code(c.observations[0])), ("_summary", "count")),
    ),
    Family("system search", "two types by date", lambda c: "/?_type=Condition,Procedure&_lastUpdated=ge2026-11-01"),
)
"""Searches that name no patient."""
