"""The rules of visits by themselves: steps, times, holds, places and labels, without a server."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.care import scheduling, visit_labels, visit_places, visit_times
from fhir_server.care.proxies import KEPT_BY_TEENAGERS
from fhir_server.care.scheduling import KEEPS_SLOT, LIVE, TRANSITIONS
from fhir_server.care.visit_times import MINUTE, Party, Span
from fhir_server.core.outcome import FhirError
from fhir_server.search.parameter_types.token import label

Resource = dict[str, Any]

NOW = int(datetime(2026, 3, 8, 6, 0, tzinfo=UTC).timestamp() * 1000)
STATUSES = sorted(TRANSITIONS)
PARTIES: tuple[Party, ...] = get_args(Party)


def text(minutes: int, hours_east: int = 0) -> str:
    zone = timezone(timedelta(hours=hours_east))
    return datetime.fromtimestamp((NOW + minutes * MINUTE) / 1000, zone).isoformat()


def visit(status: str, minutes: int = 600, **more: Any) -> Resource:
    made: Resource = {"resourceType": "Appointment", "id": "v", "status": status, "participant": []}
    return made | {"start": text(minutes), "end": text(minutes + 30)} | more


def slot(minutes: int, length: int = 30, schedule: str = "Schedule/s") -> Resource:
    return {"start": text(minutes), "end": text(minutes + length), "schedule": {"reference": schedule}}


def refused(function: Any, *args: Any) -> int | None:
    try:
        function(*args)
    except FhirError as error:
        return error.issues[0].number
    return None


def test_the_statuses_are_those_of_the_table_and_ends_are_ends() -> None:
    assert len(STATUSES) == 10
    for status, following in TRANSITIONS.items():
        assert following <= TRANSITIONS.keys()
        assert status not in following
        assert bool(following) == (status not in {"fulfilled", "cancelled", "noshow", "entered-in-error"})
    assert LIVE < KEEPS_SLOT


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_staff_take_the_steps_of_the_table_alone(before: str, after: str) -> None:
    expected = None if before == after or after in TRANSITIONS[before] else 6107
    assert refused(scheduling.refuse_step, visit(before), visit(after), "staff", NOW) == expected
    # What is imported late may come in any order, what is to come may not.
    assert refused(scheduling.refuse_step, visit(before), visit(after), "register", NOW) == expected
    assert refused(scheduling.refuse_step, visit(before, -60), visit(after, -60), "register", NOW) is None


@pytest.mark.parametrize("after", STATUSES)
def test_patients_begin_with_what_is_theirs_to_say(after: str) -> None:
    is_theirs = after in {"proposed", "waitlist", "pending", "booked", "cancelled"}
    assert refused(scheduling.refuse_step, None, visit(after), "patient", NOW) == (None if is_theirs else 6107)
    assert refused(scheduling.refuse_step, None, visit(after), "staff", NOW) is None


@given(st.sampled_from(STATUSES), st.sampled_from(STATUSES), st.integers(-5000, 5000), st.sampled_from(PARTIES))
def test_no_step_is_taken_that_the_table_lacks_but_of_history(
    before: str, after: str, minutes: int, party: Party
) -> None:
    number = refused(scheduling.refuse_step, visit(before, minutes), visit(after, minutes), party, NOW)
    is_step = before == after or after in TRANSITIONS[before]
    if not is_step and not (party == "register" and minutes <= 0):
        assert number == 6107


@pytest.mark.parametrize(("minutes", "expected"), [(-1, 6106), (0, 6106), (1, None)])
def test_a_patient_cancels_until_the_visit_begins(minutes: int, expected: int | None) -> None:
    gone = visit("cancelled", minutes, cancelationReason={"text": "ill"})
    assert refused(scheduling.refuse_step, visit("booked", minutes), gone, "patient", NOW) == expected
    assert refused(scheduling.refuse_step, visit("booked", minutes), gone, "staff", NOW) is None


@given(st.integers(1, 10_000), st.integers(-12, 14), st.integers(-12, 14))
def test_the_time_of_a_slot_is_the_same_in_every_zone(minutes: int, here: int, there: int) -> None:
    one = {"start": text(minutes, here), "end": text(minutes + 30, here)}
    said = {"start": text(minutes, there), "end": text(minutes + 30, there)}
    time = visit_times.together([one], "patient")
    assert visit_times.timed(None, said, [one], time) == said
    assert visit_times.timed(None, {}, [one], time) == one
    late = {"start": text(minutes + 1, there)}
    assert refused(visit_times.timed, None, late, [one], time) == 6105


def test_a_slot_through_a_change_of_the_clocks_has_its_own_length() -> None:
    # In New York it is 01:30 EST, and half an hour later 03:00 EDT.
    one = {"start": "2026-03-08T01:30:00-05:00", "end": "2026-03-08T03:00:00-04:00"}
    assert visit_times.together([one], "patient") == Span(NOW + 30 * MINUTE, NOW + 60 * MINUTE)
    found = visit_times.timed(None, {"minutesDuration": 90}, [one], visit_times.together([one], "patient"))
    assert found["minutesDuration"] == 30


@pytest.mark.parametrize(
    ("slots", "party", "expected"),
    [
        ([slot(0)], "patient", None),
        ([], "patient", 6103),
        ([slot(0), slot(30)], "patient", 6103),
        ([slot(30), slot(0)], "staff", None),
        ([slot(0), slot(31)], "staff", 6103),
        ([slot(0), slot(29)], "staff", 6103),
        ([slot(0), slot(0)], "staff", 6103),
        ([slot(0), slot(30, schedule="Schedule/t")], "staff", 6103),
    ],
)
def test_slots_of_one_visit_follow_each_other(slots: list[Resource], party: Party, expected: int | None) -> None:
    assert refused(visit_times.together, slots, party) == expected


@given(st.integers(-300, 300), st.integers(1, 120), st.sampled_from(STATUSES))
def test_two_visits_overlap_where_they_share_a_moment(begins: int, length: int, status: str) -> None:
    other = {"status": status, "start": text(begins), "end": text(begins + length)}
    shares = begins < 60 and begins + length > 0
    number = refused(scheduling.refuse_overlap, Span(NOW, NOW + 60 * MINUTE), [other], NOW)
    assert number == (6110 if shares and status in LIVE else None)


def held(minutes: int, status: str = "pending") -> Resource:
    return scheduling.with_held_until({"status": status}, NOW + minutes * MINUTE)


@given(st.lists(st.tuples(st.integers(-60, 10), st.sampled_from(STATUSES)), max_size=6))
def test_three_holds_at_a_time_and_no_slot_again_within_half_an_hour(holds: list[tuple[int, str]]) -> None:
    others = [(held(minutes, status), [f"Slot/{number}"]) for number, (minutes, status) in enumerate(holds)]
    number = refused(scheduling.refuse_hold, ["Slot/new"], others, NOW)
    current = sum(minutes > 0 and status == "pending" for minutes, status in holds)
    assert number == (6111 if current >= 3 else None)
    for position, (minutes, _) in enumerate(holds):
        if minutes > -20:
            assert refused(scheduling.refuse_hold, [f"Slot/{position}"], others, NOW) == 6111


def test_only_the_server_says_until_when_something_is_held() -> None:
    mine = {"url": scheduling.HELD_UNTIL, "valueInstant": "2999-01-01T00:00:00Z"}
    other = {"url": "urn:x", "valueString": "y"}
    found = scheduling.with_held_until({"extension": [mine, other, mine]}, NOW)
    assert found["extension"] == [other, {"url": scheduling.HELD_UNTIL, "valueInstant": "2026-03-08T06:00:00.000Z"}]
    assert scheduling.with_held_until({"extension": [mine]}, None) == {}
    assert scheduling.is_over(held(0), NOW) and not scheduling.is_over(held(1), NOW)
    assert not scheduling.is_over(held(-5, "booked"), NOW)
    assert not scheduling.is_over({"status": "pending"}, NOW)


GOVERNMENT = {
    "type": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/organization-type", "code": "govt"}]}]
}
STATION = {"identifier": [{"system": "urn:oid:2.16.840.1.113883.4.349", "value": "991"}]}


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ([], False),
        ([{}], False),
        ([STATION], True),
        ([STATION | {"active": False}], False),
        ([GOVERNMENT], True),
        ([{}, {}, GOVERNMENT], True),
        ([{}, GOVERNMENT | {"active": False}], False),
        ([{"identifier": [{"value": "991"}], "type": [{"text": "govt"}]}], False),
        # The number is a facility's own, not that of what it is part of.
        ([{}, STATION], False),
    ],
)
def test_a_facility_is_federal_by_its_number_or_its_agency(chain: list[Resource], expected: bool) -> None:
    assert visit_places.is_federal(chain) is expected


@pytest.mark.parametrize(
    ("zone", "moment", "expected"),
    [
        (None, "2026-03-01T00:00:00+00:00", True),
        (None, "2026-02-28T23:59:59+00:00", False),
        ("Pacific/Guam", "2026-02-28T14:00:00+00:00", True),
        ("Pacific/Guam", "2026-02-28T13:59:59+00:00", False),
        ("America/Anchorage", "2026-03-01T08:59:59+00:00", False),
        ("America/Anchorage", "2026-03-01T09:00:00+00:00", True),
        ("Nowhere/None", "2026-03-01T00:00:00+00:00", True),
        ("../../etc/passwd", "2026-02-28T23:00:00+00:00", False),
        ("", "2026-03-01T00:00:00+00:00", True),
        (7, "2026-03-01T00:00:00+00:00", True),
    ],
)
def test_a_facility_goes_live_with_its_own_midnight(zone: Any, moment: str, expected: bool) -> None:
    extensions = [{"url": visit_places.GO_LIVE, "valueDate": "2026-03-01"}]
    if zone is not None:
        extensions.append({"url": visit_places.TIME_ZONE, "valueCode": zone})
    facility = {"resourceType": "Organization", "extension": extensions}
    assert visit_places.is_live(facility, datetime.fromisoformat(moment)) is expected
    assert visit_places.is_live({"resourceType": "Organization"}, datetime.fromisoformat(moment)) is None


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"reference": "Slot/a"}, "Slot/a"),
        ({"reference": "Slot/a/_history/3"}, "Slot/a"),
        ({"reference": "http://here/fhir/Slot/a"}, "Slot/a"),
        ({"reference": "http://there/fhir/Slot/a"}, None),
        ({"reference": "#a"}, None),
        ({"reference": "urn:uuid:6d1f3f3c-14a4-4f7e-9d3c-0b6f2f3f9a10"}, None),
        ({"reference": "Slot?identifier=a"}, None),
        ({"reference": 7}, None),
        ({"display": "x"}, None),
        (None, None),
        ("Slot/a", None),
    ],
)
def test_a_place_is_a_reference_to_this_server(reference: Any, expected: str | None) -> None:
    assert visit_places.place(reference, ("http://here/fhir",)) == expected


def concept(system: str, code: str, display: str = "") -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}


@pytest.mark.parametrize(
    ("element", "value", "expected"),
    [
        ("serviceType", [concept("http://terminology.hl7.org/CodeSystem/service-type", "490")], {"MH"}),
        ("serviceType", [concept("http://terminology.hl7.org/CodeSystem/service-type", "186")], {"SEX"}),
        ("serviceType", [concept("http://terminology.hl7.org/CodeSystem/service-type", "124")], set()),
        ("serviceType", [concept("urn:other", "490")], set()),
        ("specialty", [concept("http://nucc.org/provider-taxonomy", "2084P0804X")], {"MH"}),
        ("specialty", [concept("http://nucc.org/provider-taxonomy", "207QA0401X")], {"SUD"}),
        ("specialty", [concept("http://nucc.org/provider-taxonomy", "207VX0000X")], {"SEX"}),
        ("specialty", [concept("http://nucc.org/provider-taxonomy", "207X00000X")], set()),
        ("specialty", [concept("http://snomed.info/sct", "394587001")], {"MH"}),
        ("serviceCategory", [{"text": "Behavioral Health"}], {"MH"}),
        ("serviceCategory", [{"text": "alcohol and psychiatric care"}], {"MH", "SUD"}),
        ("category", [concept("urn:x", "y", "Family planning clinic")], {"SEX"}),
        ("reasonCode", [{"text": "Contraception"}], {"SEX"}),
        ("reasonCode", [{"text": "Sports physical"}], set()),
        ("description", "mental", set()),
        ("type", {"text": "Pregnancy"}, {"SEX"}),
        ("serviceType", [concept("http://terminology.hl7.org/CodeSystem/service-type", "105")], {"SUD"}),
        ("serviceType", [{}], set()),
    ],
)
def test_a_service_is_sensitive_by_code_or_word(element: str, value: Any, expected: set[str]) -> None:
    assert set(visit_labels.sensitivities({element: value})) == expected


def test_all_labels_that_are_given_hide_from_who_acts_for_a_teenager() -> None:
    for code in visit_labels.DISPLAYS:
        (made,) = visit_labels.hiding(
            [{"serviceType": [{"text": {"MH": "mental", "SUD": "opioid", "SEX": "sexual"}[code]}]}]
        )
        assert (made["code"], label(made) in KEPT_BY_TEENAGERS) == (code, True)


def test_labels_are_added_once_and_others_stay() -> None:
    own = {"system": "urn:x", "code": "y"}
    labels = visit_labels.hiding(
        [{"meta": {"security": [own, {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}}]
    )
    assert [each["code"] for each in labels] == ["HIV"]
    made = visit_labels.with_labels({"meta": {"security": [own]}}, labels)
    assert made["meta"]["security"] == [own, *labels]
    assert visit_labels.with_labels(made, labels) is made
