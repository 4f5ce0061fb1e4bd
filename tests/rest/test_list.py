"""`_list`: https://hl7.org/fhir/R4/search.html#list"""

import httpx

from tests.rest.bundles import bundle_of, found, places
from tests.rest.conftest import created, observation, patient, texts


def test_a_list_names_what_is_found(api: httpx.Client) -> None:
    person = created(api, patient())["id"]
    one, two, three = (created(api, observation(person))["id"] for _ in range(3))
    listed = created(
        api,
        {
            "resourceType": "List",
            "status": "current",
            "mode": "working",
            "entry": [
                {"item": {"reference": f"Observation/{one}"}},
                {"item": {"reference": f"{str(api.base_url).rstrip('/')}/Observation/{two}"}},
                {"item": {"reference": f"Observation/{three}"}, "deleted": True},
                {"item": {"reference": f"Patient/{person}"}},
                {"item": {"display": "nothing"}},
            ],
        },
    )["id"]
    assert sorted(found(api, f"Observation?_list={listed}")) == sorted([one, two])
    assert found(api, f"Patient?_list={listed}") == [person]
    assert found(api, f"Encounter?_list={listed}") == []
    assert found(api, f"Observation?_list={listed}&_id={two}") == [two]
    everything = bundle_of(api, f"?_list={listed}")
    assert sorted(places(everything)) == sorted([f"Observation/{one}", f"Observation/{two}", f"Patient/{person}"])
    assert api.delete(f"List/{listed}").status_code in (200, 204)
    assert api.get(f"Observation?_list={listed}").status_code == 400


def test_a_list_that_is_not_here_is_refused_and_not_taken_for_everything(api: httpx.Client) -> None:
    for value in ("nobody-has-this", "$current-allergies", "a b"):
        response = api.get("Observation", params={"_list": value})
        assert response.status_code == 400
        assert "_list" in texts(response)
