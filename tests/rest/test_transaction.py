"""batch and transaction: https://hl7.org/fhir/R4/http.html#transaction"""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rest.conftest import created, numbers, observation, patient


def bundle(*entries: dict[str, Any], type: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url} | more.pop("request", {})} | more
    return made | {"resource": resource} if resource else made


def urn() -> str:
    return f"urn:uuid:{uuid4()}"


def statuses(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [item["response"]["status"][:3] for item in response.json().get("entry", [])]


def test_entries_of_a_transaction_refer_to_each_other_by_urn(api: httpx.Client) -> None:
    person, organization = urn(), urn()
    sent = observation("x") | {
        "subject": {"reference": person},
        "contained": [
            {
                "resourceType": "Practitioner",
                "id": "c",
                "extension": [{"url": "urn:e", "valueReference": {"reference": organization}}],
            }
        ],
        "performer": [{"reference": "#c"}],
        "extension": [{"url": "urn:e", "valueReference": {"reference": person}}, {"url": "urn:u", "valueUri": person}],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": person}],
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{person}">p</a></div>',
        },
    }
    response = api.post(
        "",
        json=bundle(
            entry("POST", "Observation", sent, fullUrl=urn()),
            entry("POST", "Patient", patient(), fullUrl=person),
            entry("POST", "Organization", {"resourceType": "Organization", "name": "O"}, fullUrl=organization),
        ),
    )
    assert statuses(response) == ["201", "201", "201"]
    locations = [item["response"]["location"].split("/fhir/")[1] for item in response.json()["entry"]]
    made = api.get(locations[0]).json()
    patient_reference = locations[1].removesuffix("/_history/1")
    organization_reference = locations[2].removesuffix("/_history/1")
    assert made["subject"]["reference"] == patient_reference
    assert made["extension"][0]["valueReference"]["reference"] == patient_reference
    assert made["extension"][1]["valueUri"] == patient_reference
    assert made["contained"][0]["extension"][0]["valueReference"]["reference"] == organization_reference
    assert made["identifier"][0]["value"] == person
    assert f'href="{patient_reference}"' in made["text"]["div"]


def test_a_failing_entry_is_named_and_nothing_is_written(api: httpx.Client, unique: str) -> None:
    response = api.post(
        "",
        json=bundle(
            entry("PUT", f"Patient/{unique}", patient(id=unique)),
            entry("POST", "Patient", patient(birthDate="never", gender="robot")),
        ),
    )
    assert response.status_code == 400
    places = [issue["expression"][0] for issue in response.json()["issue"]]
    assert places == ["Bundle.entry[1].resource.birthDate", "Bundle.entry[1].resource.gender"] or set(places) == {
        "Bundle.entry[1].resource.birthDate",
        "Bundle.entry[1].resource.gender",
    }
    assert api.get(f"Patient/{unique}").status_code == 404


def test_a_stale_if_match_undoes_the_whole_transaction(api: httpx.Client, unique: str) -> None:
    stored = created(api, patient())
    response = api.post(
        "",
        json=bundle(
            entry("PUT", f"Patient/{unique}", patient(id=unique)),
            entry("PUT", f"Patient/{stored['id']}", stored, request={"ifMatch": 'W/"9"'}),
        ),
    )
    assert response.status_code == 412
    assert api.get(f"Patient/{unique}").status_code == 404
    assert api.get(f"Patient/{stored['id']}").headers["etag"] == 'W/"1"'


def test_deletes_come_first_and_reads_last_whatever_their_place(api: httpx.Client, unique: str) -> None:
    identifier = [{"system": "urn:test", "value": unique}]
    old = created(api, patient(identifier=identifier))
    response = api.post(
        "",
        json=bundle(
            entry("GET", f"Patient?identifier=urn:test|{unique}"),
            entry("PUT", f"Observation/{unique}", observation("p", id=unique)),
            entry(
                "POST",
                "Patient",
                patient(identifier=identifier),
                request={"ifNoneExist": f"identifier=urn:test|{unique}"},
            ),
            entry("DELETE", f"Patient/{old['id']}"),
        ),
    )
    assert statuses(response) == ["200", "201", "201", "204"]
    found = response.json()["entry"][0]["resource"]
    assert found["total"] == 1
    assert found["entry"][0]["resource"]["id"] != old["id"]


def test_conditional_references_resolve_to_the_one_match(api: httpx.Client, unique: str) -> None:
    stored = created(api, {"resourceType": "Practitioner", "identifier": [{"system": "urn:npi", "value": unique}]})
    criteria = f"Practitioner?identifier=urn:npi|{unique}"
    sent = observation("p") | {
        "performer": [{"reference": criteria}],
        "extension": [{"url": "urn:e", "valueReference": {"reference": criteria}}],
    }
    response = api.post("", json=bundle(entry("POST", "Observation", sent)))
    assert statuses(response) == ["201"]
    made = api.get(response.json()["entry"][0]["response"]["location"]).json()
    assert made["performer"] == [{"reference": f"Practitioner/{stored['id']}"}]
    assert made["extension"][0]["valueReference"] == {"reference": f"Practitioner/{stored['id']}"}


def test_a_conditional_reference_that_matches_nothing_or_several_fails_the_transaction(
    api: httpx.Client, unique: str
) -> None:
    criteria = f"Practitioner?identifier=urn:npi|{unique}"
    sent = observation("p") | {"performer": [{"reference": criteria}]}
    none = api.post("", json=bundle(entry("POST", "Observation", sent)))
    assert (none.status_code, numbers(none)) == (400, ["2012"])
    for _ in range(2):
        created(api, {"resourceType": "Practitioner", "identifier": [{"system": "urn:npi", "value": unique}]})
    several = api.post("", json=bundle(entry("POST", "Observation", sent)))
    assert (several.status_code, numbers(several)) == (412, ["2005"])
    assert several.json()["issue"][0]["expression"] == ["Bundle.entry[0]"]


def test_if_none_exist_in_a_transaction_finds_what_is_there_and_links_to_it(api: httpx.Client, unique: str) -> None:
    known = created(api, patient(identifier=[{"system": "urn:test", "value": unique}]))
    person = urn()
    sent = bundle(
        entry("POST", "Patient", patient(), fullUrl=person, request={"ifNoneExist": f"identifier=urn:test|{unique}"}),
        entry("POST", "Observation", observation("x") | {"subject": {"reference": person}}),
    )
    response = api.post("", json=sent)
    assert statuses(response) == ["200", "201"]
    made = api.get(response.json()["entry"][1]["response"]["location"]).json()
    assert made["subject"]["reference"] == f"Patient/{known['id']}"


def test_a_conditional_update_and_delete_work_inside_a_transaction(api: httpx.Client, unique: str) -> None:
    resource = patient(identifier=[{"system": "urn:test", "value": unique}])
    url = f"Patient?identifier=urn:test|{unique}"
    assert statuses(api.post("", json=bundle(entry("PUT", url, resource)))) == ["201"]
    assert statuses(api.post("", json=bundle(entry("PUT", url, resource | {"active": True})))) == ["200"]
    assert statuses(api.post("", json=bundle(entry("DELETE", url)))) == ["204"]
    assert api.get(url).json()["total"] == 0


def test_two_entries_that_write_one_resource_are_refused(api: httpx.Client, unique: str) -> None:
    twice = entry("PUT", f"Patient/{unique}", patient(id=unique))
    for other in (twice, entry("DELETE", f"Patient/{unique}")):
        response = api.post("", json=bundle(twice, other))
        assert (response.status_code, numbers(response)) == (400, ["2011"])
    condition = entry("POST", "Patient", patient(), request={"ifNoneExist": f"identifier={unique}"})
    assert api.post("", json=bundle(condition, condition)).status_code == 400


def test_two_entries_with_one_full_url_are_refused(api: httpx.Client) -> None:
    name = urn()
    response = api.post("", json=bundle(*(entry("POST", "Patient", patient(), fullUrl=name) for _ in range(2))))
    assert (response.status_code, numbers(response)) == (400, ["2010"])


def test_a_urn_that_no_entry_has_is_refused(api: httpx.Client) -> None:
    sent = observation("x") | {"subject": {"reference": urn()}}
    response = api.post("", json=bundle(entry("POST", "Observation", sent)))
    assert (response.status_code, numbers(response)) == (400, ["2012"])


def test_a_relative_reference_finds_the_entry_whose_full_url_it_completes(api: httpx.Client) -> None:
    sent = bundle(
        entry("POST", "Patient", patient(), fullUrl="http://elsewhere.example/fhir/Patient/77"),
        entry("POST", "Observation", observation("77"), fullUrl="http://elsewhere.example/fhir/Observation/78"),
    )
    response = api.post("", json=sent)
    person, made = (item["response"]["location"] for item in response.json()["entry"])
    assert api.get(made).json()["subject"]["reference"] == person.split("/fhir/")[1].removesuffix("/_history/1")


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"request": {"method": "POST", "url": "Patient"}}, "Bundle.entry[0]"),
        ({"resource": patient()}, "Bundle.entry[0]"),
        ({"request": {"method": "POST", "url": "Patientt"}, "resource": patient()}, "Bundle.entry[0]"),
        ({"request": {"method": "POST", "url": "Patient/1"}, "resource": patient()}, "Bundle.entry[0]"),
        (
            {"request": {"method": "POST", "url": "http://other.example/Patient"}, "resource": patient()},
            "Bundle.entry[0]",
        ),
        ({"request": {"method": "BREW", "url": "Patient"}, "resource": patient()}, "Bundle.entry[0].request.method"),
        ({"request": {"url": "Patient"}, "resource": patient()}, "Bundle.entry[0].request.method"),
    ],
)
def test_an_entry_that_cannot_be_run_is_named(api: httpx.Client, sent: dict[str, Any], place: str) -> None:
    response = api.post("", json=bundle(sent))
    assert 400 <= response.status_code < 500, response.text
    assert response.json()["issue"][0]["expression"] == [place], response.text


def test_what_is_no_batch_or_transaction_is_refused(api: httpx.Client) -> None:
    assert api.post("", json=patient()).status_code == 400
    assert api.post("", json=bundle(type="collection")).status_code == 400
    assert api.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": "x"}).status_code == 400
    empty = api.post("", json={"resourceType": "Bundle", "type": "transaction"})
    assert (empty.status_code, empty.json()) == (200, {"resourceType": "Bundle", "type": "transaction-response"})


def test_entries_of_a_batch_succeed_and_fail_on_their_own(api: httpx.Client, unique: str) -> None:
    response = api.post(
        "",
        json=bundle(
            entry("PUT", f"Patient/{unique}", patient(id=unique)),
            entry("POST", "Patient", patient(gender="robot")),
            entry("GET", f"Patient/{unique}"),
            entry("GET", "Patient/never-was"),
            entry("GET", f"Patient?_id={unique}"),
            entry("GET", f"Patient/{unique}/_history"),
            entry("GET", "metadata"),
            entry("DELETE", f"Patient/{unique}"),
            entry("GET", f"Patient/{unique}"),
            entry("PATCH", f"Patient/{unique}/_history"),
            type="batch",
        ),
    )
    assert statuses(response) == ["201", "422", "200", "404", "200", "200", "200", "204", "410", "400"]
    assert response.json()["type"] == "batch-response"
    failed = response.json()["entry"][1]["response"]["outcome"]
    assert failed["resourceType"] == "OperationOutcome"


def test_a_transaction_shows_bodies_only_when_asked(api: httpx.Client) -> None:
    sent = bundle(entry("POST", "Patient", patient()))
    assert "resource" not in api.post("", json=sent).json()["entry"][0]
    asked = api.post("", json=sent, headers={"prefer": "return=representation"}).json()["entry"][0]
    assert asked["resource"]["resourceType"] == "Patient"


READS = ("batch", "transaction")


@pytest.mark.parametrize("type", READS)
def test_searches_of_the_system_and_of_compartments_run_in_every_kind_of_bundle(
    api: httpx.Client, unique: str, type: str
) -> None:
    tag = {"tag": [{"system": "urn:run", "code": unique}]}
    person = created(api, patient(meta=tag))["id"]
    created(api, observation(person, meta=tag))
    urls = {
        f"?_tag=urn:run|{unique}": 2,
        f"?_type=Patient&_tag=urn:run|{unique}": 1,
        f"{api.base_url}?_tag=urn:run|{unique}": 2,
        f"Patient/{person}/Observation": 1,
        f"Patient/{person}/*": 1,
        f"Patient?_tag=urn:run|{unique}": 1,
    }
    response = api.post("", json=bundle(*(entry("GET", url.replace("fhir/?", "fhir?")) for url in urls), type=type))
    assert [item["resource"]["total"] for item in response.json()["entry"]] == list(urls.values())
    forms = {
        f"_search?_tag=urn:run|{unique}": 2,
        f"Patient/_search?_tag=urn:run|{unique}": 1,
        f"Patient/{person}/_search?_tag=urn:run|{unique}": 1,
        f"Patient/{person}/Observation/_search?status=final": 1,
    }
    response = api.post("", json=bundle(*(entry("POST", url) for url in forms), type=type))
    assert [item["resource"]["total"] for item in response.json()["entry"]] == list(forms.values())


@pytest.mark.parametrize("type", READS)
@pytest.mark.parametrize("path", ["", "Patient"])
def test_the_link_to_a_next_page_works_in_every_kind_of_bundle(
    api: httpx.Client, unique: str, type: str, path: str
) -> None:
    tag = {"tag": [{"system": "urn:run", "code": unique}]}
    expected = {created(api, patient(meta=tag))["id"] for _ in range(2)}
    first = api.get(f"{path}?_tag=urn:run|{unique}&_count=1").json()
    url = next(link["url"] for link in first["link"] if link["relation"] == "next")
    response = api.post("", json=bundle(entry("GET", url), type=type))
    assert statuses(response) == ["200"]
    second = response.json()["entry"][0]["resource"]
    assert {each["resource"]["id"] for page in (first, second) for each in page["entry"]} == expected


def test_a_search_that_cannot_be_run_fails_a_transaction_before_it_writes(api: httpx.Client, unique: str) -> None:
    for url in (
        "?nosuch=x",
        "Patient/p1/Observation?nosuch=x",
        "Patient/p1/Organization",
        "Patient/p_1/*",
        "_search?x=y",
    ):
        method = "POST" if url.startswith("_search") else "GET"
        sent = bundle(entry("PUT", f"Patient/{unique}", patient(id=unique)), entry(method, url))
        response = api.post("", json=sent)
        assert response.status_code in (400, 404), url
        assert response.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]
        assert api.get(f"Patient/{unique}").status_code == 404


def test_a_search_by_post_takes_its_parameters_in_the_url(api: httpx.Client) -> None:
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "gender", "valueString": "female"}]}
    response = api.post("", json=bundle(entry("POST", "Patient/_search", parameters), type="batch"))
    assert statuses(response) == ["400"]


def test_a_url_that_nothing_can_be_made_of_fails_its_own_entry_of_a_batch_alone(api: httpx.Client) -> None:
    person = created(api, patient())["id"]
    odd = [
        entry("PUT", "_search?x=y", patient()),
        entry("GET", "Nosuch?x=y"),
        entry("GET", "http://other.example/Patient"),
        {"fullUrl": urn(), "resource": patient()},
    ]
    sent = bundle(*odd, entry("GET", f"Patient/{person}"), type="batch")
    assert statuses(api.post("", json=sent)) == ["404", "404", "400", "400", "200"]
