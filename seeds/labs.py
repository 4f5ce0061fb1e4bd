"""Laboratory panels: the order, the specimen, the results and their report.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-observation-lab.html
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from seeds.chart import Chart, Visit, instant
from seeds.codes import coding, concept
from seeds.lab_panels import NORMAL_FOR, PANELS, TEST_NAMES, Measured, Panel, Seen, Test, Worded
from seeds.lab_sums import SUMS
from seeds.model import Labels, Resource
from seeds.notes import KINDS, document, pdf_rendition
from seeds.observations import absent, add_observation, category, measured
from seeds.plans import service_request
from seeds.visits import encounter, organization

ACCESSION_SYSTEM = "urn:fhir-server:seeds:accession"
"""System of the numbers that a laboratory gives specimens."""

COLLECTED_MINUTES = 20
REPORTED_MINUTES = 260
ADULT_YEARS = 18

Value = Decimal | int | str
"""A measured number, or a finding in words: `positive`, `negative`, `detected`, `not-detected`, or the text itself."""


def panel(
    chart: Chart,
    key: str,
    name: str,
    visit: Visit,
    *,
    values: Mapping[str, Value] = {},
    not_measured: tuple[str, ...] = (),
    labels: Labels = (),
) -> str:
    """A panel of `lab_panels.PANELS` drawn in the visit; the reference of its DiagnosticReport.

    `values` are results by the name of the test in the table or by LOINC code, those of other panels are passed over;
    what is not given is normal for somebody healthy. `not_measured` are tests that failed. Raises KeyError for a test
    that no panel has.
    """
    chosen = PANELS[name]
    given = {test.name: values[alias] for test in chosen.tests for alias in (test.name, test.code) if alias in values}
    unknown = (values.keys() | set(not_measured)) - TEST_NAMES
    if unknown:
        raise KeyError(f"no laboratory tests: {', '.join(sorted(unknown))}")
    given |= _numbers(chart, chosen, given)
    order = service_request(
        chart, f"{key}-order", chosen.order, visit, system="loinc", category="108252007", labels=labels
    )
    specimen = _specimen(chart, key, chosen, visit, order, labels)
    results = [
        _result(
            chart, key, chosen, test, visit, order, specimen, given.get(test.name), test.name in not_measured, labels
        )
        for test in chosen.tests
        if test.name in given or not test.only_given
    ]
    return _report(chart, key, chosen, visit, order, specimen, results, labels)


def _specimen(chart: Chart, key: str, panel: Panel, visit: Visit, order: str, labels: Labels) -> str:
    collected = visit.start + timedelta(minutes=COLLECTED_MINUTES)
    number = f"{visit.facility.station}-{collected:%Y%m%d}-{chart.person.number:06}-{key}"
    elements = {
        "identifier": [{"system": f"{ACCESSION_SYSTEM}:tube", "value": f"{number}-1"}],
        "accessionIdentifier": {"system": ACCESSION_SYSTEM, "value": number},
        "status": "available",
        "type": concept("snomed", panel.specimen),
        "subject": chart.patient,
        "receivedTime": instant(collected + timedelta(minutes=30)),
        "request": [{"reference": order}],
        "collection": {"collectedDateTime": instant(collected)},
    }
    agency = visit.facility.agency
    return chart.add(
        "Specimen", f"{key}-specimen", elements, profiles=("us-core-specimen",), labels=labels, agency=agency
    )


def _result(
    chart: Chart,
    key: str,
    panel: Panel,
    test: Test,
    visit: Visit,
    order: str,
    specimen: str,
    given: Value | None,
    is_failed: bool,
    labels: Labels,
) -> str:
    is_child = chart.person.age < ADULT_YEARS
    if is_failed or (test.only_adults and is_child):
        value = absent("error" if is_failed else "not-performed")
    else:
        value = _value(test, given)
    return add_observation(
        chart,
        f"{key}-{test.name}",
        visit,
        concept("loinc", test.code),
        (category("laboratory"),),
        {"basedOn": [{"reference": order}], "specimen": {"reference": specimen}, **value},
        profile="us-core-observation-lab",
        labels=labels,
        minutes=COLLECTED_MINUTES,
    )


def _value(test: Test, given: Value | None) -> Resource:
    match test.result:
        case Measured() as number:
            return _number(number, Decimal(given or 0))
        case Seen() as seen:
            return _seen(seen, str(given) if given is not None else seen.normal)
        case Worded(text):
            return {"valueString": str(given) if given is not None else text}


def _numbers(chart: Chart, panel: Panel, given: Mapping[str, Value]) -> dict[str, Value]:
    """Every number of the panel: as given, made of the others, or drawn."""
    numbers: dict[str, Decimal] = {}
    for test in panel.tests:
        if isinstance(test.result, Measured) and (test.name in given or not test.only_given):
            value = given.get(test.name)
            numbers[test.name] = _drawn(chart, test.name, test.result) if value is None else Decimal(value)
    made = {name: make(numbers, chart.person) for name, make in SUMS.items() if name in numbers and name not in given}
    return {**numbers, **made}


def _drawn(chart: Chart, name: str, result: Measured) -> Decimal:
    low, high = map(Decimal, NORMAL_FOR.get((name, chart.person.gender), (result.low, result.high)))
    drawn = low + (high - low) * Decimal(chart.random.randint(15, 85)) / 100
    return round(drawn, result.digits) if result.digits else Decimal(int(drawn))


def _number(result: Measured, given: Decimal) -> Resource:
    is_low, is_high = given < result.low and not result.is_open_below, given > result.high and not result.is_open_above
    letter = "L" if is_low else "H" if is_high else "N"
    limits: Resource = {"type": concept("referencerange-meaning", "normal")}
    if not result.is_open_below:
        limits["low"] = measured(result.low, result.unit)
    if not result.is_open_above:
        limits["high"] = measured(result.high, result.unit)
    return {
        "valueQuantity": measured(given, result.unit),
        "interpretation": [concept("v3-ObservationInterpretation", letter)],
        "referenceRange": [limits],
    }


def _seen(result: Seen, finding: str) -> Resource:
    is_normal = finding == result.normal
    letter = "POS" if finding in ("positive", "detected") else "NEG"
    return {
        "valueCodeableConcept": concept("snomed", Seen.CODES[finding]),
        "interpretation": [
            {
                "coding": [
                    coding("v3-ObservationInterpretation", letter),
                    *([] if is_normal else [coding("v3-ObservationInterpretation", "A")]),
                ]
            }
        ],
        "referenceRange": [{"text": result.normal.replace("-", " ").capitalize()}],
    }


def _report(
    chart: Chart, key: str, panel: Panel, visit: Visit, order: str, specimen: str, results: list[str], labels: Labels
) -> str:
    when = visit.start + timedelta(minutes=COLLECTED_MINUTES)
    elements: Resource = {
        "basedOn": [{"reference": order}],
        "status": "final",
        "category": [concept("v2-0074", "LAB")],
        "code": concept("loinc", panel.order),
        "subject": chart.patient,
        **encounter(visit),
        "effectiveDateTime": instant(when),
        "issued": instant(visit.start + timedelta(minutes=REPORTED_MINUTES)),
        "performer": [organization(visit.facility)],
        "specimen": [{"reference": specimen}],
        "result": [{"reference": each} for each in results],
    }
    lines = _lines(chart, results)
    if panel.is_sent_out:
        rendition = pdf_rendition(
            chart, f"{key}-document", elements["code"]["text"], visit, [("Results", lines)], labels
        )
        elements["presentedForm"] = [rendition.attachment]
    reference = chart.add(
        "DiagnosticReport",
        f"{key}-report",
        elements,
        profiles=("us-core-diagnosticreport-lab",),
        labels=labels,
        agency=visit.facility.agency,
    )
    if panel.is_sent_out:
        kind = KINDS["laboratory"]
        document(chart, f"{key}-document", kind, visit, lines, rendition, related=(reference,), labels=labels)
    return reference


def _lines(chart: Chart, results: list[str]) -> str:
    """One line for each result: name, value, unit."""
    lines = []
    for resource in chart.resources[-len(results) :]:
        number, finding = resource.get("valueQuantity"), resource.get("valueCodeableConcept", {}).get("text")
        value = f"{number['value']} {number['unit']}" if number else finding or resource.get("valueString", "no result")
        lines.append(f"{resource['code']['text']}: {value}")
    return "\n".join(lines)
