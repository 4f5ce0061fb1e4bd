"""Chains and `_has`: https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#has"""

from typing import Any

import httpx
import pytest

from tests.rest.bundles import all_pages, found, places
from tests.rest.conftest import created, observation, patient, texts
from tests.rest.forms import NAMED, NAMING, forms


def put(api: httpx.Client, resource: dict[str, Any]) -> None:
    response = api.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
    assert response.status_code in (200, 201), response.text


@pytest.fixture
def record(api: httpx.Client, unique: str) -> str:
    """Two patients at two organizations, one part of the other, each with an encounter and an observation in it."""
    put(api, {"resourceType": "Organization", "id": f"{unique}-o0", "name": f"Roof {unique}"})
    for number in (1, 2):
        organization: dict[str, Any] = {
            "resourceType": "Organization",
            "id": f"{unique}-o{number}",
            "name": f"House{number} {unique}",
        }
        if number == 1:
            organization["partOf"] = {"reference": f"Organization/{unique}-o0"}
        put(api, organization)
        put(
            api,
            patient(
                id=f"{unique}-p{number}",
                gender="female" if number == 1 else "male",
                managingOrganization={"reference": f"Organization/{unique}-o{number}"},
                identifier=[{"system": f"urn:{unique}", "value": str(number)}],
            ),
        )
        put(
            api,
            {
                "resourceType": "Encounter",
                "id": f"{unique}-e{number}",
                "status": "finished",
                "class": {"code": "AMB" if number == 1 else "IMP"},
                "subject": {"reference": f"Patient/{unique}-p{number}"},
            },
        )
        put(
            api,
            observation(
                f"{unique}-p{number}",
                id=f"{unique}-b{number}",
                encounter={"reference": f"Encounter/{unique}-e{number}"},
                effectiveDateTime=f"202{number}-01-01",
            ),
        )
    return unique


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("Observation?subject:Patient.identifier=urn:{u}|1", "b1"),
        ("Observation?subject.identifier=urn:{u}|1", "b1"),
        ("Observation?patient.identifier=urn:{u}|1,urn:{u}|2", "b1 b2"),
        ("Observation?patient.identifier=urn:{u}|&patient.gender=female", "b1"),
        ("Observation?patient.identifier=urn:{u}|3", ""),
        ("Observation?patient._id={u}-p2", "b2"),
        ("Observation?patient.organization.name=house1 {u}", "b1"),
        ("Observation?patient.organization.partof.name=roof {u}", "b1"),
        ("Observation?encounter.subject:Patient.organization.partof.name=roof {u}", "b1"),
        ("Observation?encounter.class=AMB&patient.identifier=urn:{u}|", "b1"),
        ("Observation?patient.organization.name:contains={u}", "b1 b2"),
        ("Observation?patient.identifier=urn:{u}|&patient.gender:not=female", "b2"),
        ("Patient?identifier=urn:{u}|&_has:Observation:patient:date=2021", "p1"),
        ("Patient?identifier=urn:{u}|&_has:Observation:subject:code=8302-2", "p1 p2"),
        ("Patient?identifier=urn:{u}|&_has:Observation:patient:date=1999", ""),
        ("Patient?_has:Encounter:patient:_has:Observation:encounter:_id={u}-b2", "p2"),
        ("Patient?_has:Observation:patient:encounter.class=IMP&identifier=urn:{u}|", "p2"),
        ("Encounter?patient._has:Observation:patient:_id={u}-b1", "e1"),
        ("Organization?_has:Patient:organization:identifier=urn:{u}|2", "o2"),
        ("Observation?_filter=patient.identifier eq urn:{u}|1 or patient.identifier eq urn:{u}|2", "b1 b2"),
    ],
)
def test_a_link_leads_to_what_matches_at_its_end(api: httpx.Client, record: str, search: str, expected: str) -> None:
    ids = found(api, search.format(u=record))
    assert sorted(ids) == [f"{record}-{each}" for each in expected.split()]


def test_more_patients_than_can_be_named_are_joined_page_by_page(api: httpx.Client, unique: str) -> None:
    people = [
        {"request": {"method": "PUT", "url": f"Patient/{unique}-{n}"}, "resource": one}
        for n in range(230)
        for one in (
            patient(id=f"{unique}-{n}", gender="female", identifier=[{"system": f"urn:{unique}", "value": "x"}]),
        )
    ]
    values = [
        {
            "request": {"method": "PUT", "url": f"Observation/{unique}-{n}"},
            "resource": observation(
                f"{unique}-{n}", id=f"{unique}-{n}", effectiveDateTime=f"2020-01-01T00:00:{n % 60:02}Z"
            ),
        }
        for n in range(0, 230, 3)
    ]
    response = api.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": people + values})
    assert response.status_code == 200, response.text
    expected = sorted(f"Observation/{unique}-{n}" for n in range(0, 230, 3))
    for order in ("", "&_sort=date", "&_sort=-date", "&_sort=code,-date"):
        pages = all_pages(api, f"Observation?patient.identifier=urn:{unique}|x&_count=10{order}")
        together = [place for page in pages for place in places(page)]
        assert sorted(together) == expected, order
        assert len(set(together)) == len(together)
    pages = all_pages(api, f"Patient?_has:Observation:patient:code=8302-2&identifier=urn:{unique}|x&_count=10")
    assert sorted(each for page in pages for each in places(page)) == [
        each.replace("Observation", "Patient") for each in expected
    ]
    counted = api.get(f"Observation?patient.identifier=urn:{unique}|x&_summary=count").json()
    assert counted["total"] == len(expected)
    total = api.get(f"Observation?patient.identifier=urn:{unique}|x&_count=5&_total=accurate").json()
    assert total["total"] == len(expected)


def test_a_chain_leads_through_canonicals_by_url(api: httpx.Client, unique: str) -> None:
    url = f"http://example.org/q/{unique}"
    created(api, {"resourceType": "Questionnaire", "status": "active", "url": url, "name": f"Form{unique}"})
    answered = created(api, {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": url})
    assert found(api, f"QuestionnaireResponse?questionnaire.name=Form{unique}") == [answered["id"]]
    having = found(api, f"Questionnaire?_has:QuestionnaireResponse:questionnaire:_id={answered['id']}")
    assert len(having) == 1


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ("Observation?code.name=x", "no reference"),
        ("Observation?patient.nosuch=x", "nosuch"),
        ("Observation?patient.organization.partof.partof.partof.partof.name=x", "more than 5"),
        ("Patient?_has:Observation:code:date=2020", "no reference"),
        ("Patient?_has:Nosuch:patient:date=2020", "Nosuch"),
        ("Patient?_has:Observation", "_has"),
    ],
)
def test_a_link_that_leads_nowhere_is_refused_by_its_name(api: httpx.Client, search: str, says: str) -> None:
    response = api.get(search)
    assert response.status_code == 400
    assert says in texts(response)


def test_a_chain_through_a_canonical_with_a_version_leads_to_that_version_alone(api: httpx.Client, unique: str) -> None:
    for resource in forms(unique):
        api.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
    for form, expected in NAMING.items():
        ids = found(api, f"QuestionnaireResponse?questionnaire.name=Form{form[1:]}{unique}")
        assert sorted(ids) == [f"{unique}-{each}" for each in expected.split()], form
    for answer, expected in NAMED.items():
        ids = found(api, f"Questionnaire?_has:QuestionnaireResponse:questionnaire:_id={unique}-{answer}")
        assert sorted(ids) == [f"{unique}-{each}" for each in expected.split()], answer
