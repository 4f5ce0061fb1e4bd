"""read and vread: https://hl7.org/fhir/R4/http.html#read"""

import httpx

from tests.rest.conftest import created, numbers, patient


def test_a_read_carries_version_and_date(api: httpx.Client) -> None:
    stored = created(api, patient())
    response = api.get(f"Patient/{stored['id']}")
    assert response.status_code == 200
    assert response.headers["etag"] == 'W/"1"'
    assert response.headers["last-modified"].endswith("GMT")
    assert response.headers["cache-control"] == "no-store"
    assert api.head(f"Patient/{stored['id']}").headers["etag"] == 'W/"1"'
    assert api.head(f"Patient/{stored['id']}").content == b""


def test_an_unknown_id_is_a_404_and_a_deleted_one_a_410(api: httpx.Client) -> None:
    assert numbers(api.get("Patient/never-was")) == ["2001"]
    stored = created(api, patient())
    api.delete(f"Patient/{stored['id']}")
    response = api.get(f"Patient/{stored['id']}")
    assert response.status_code == 410
    assert numbers(response) == ["2002"]


def test_if_none_match_with_the_current_version_is_a_304_without_body(api: httpx.Client) -> None:
    stored = created(api, patient())
    for tag in ('W/"1"', '"1"', "*", 'W/"7", W/"1"'):
        response = api.get(f"Patient/{stored['id']}", headers={"if-none-match": tag})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == 'W/"1"'
    assert api.get(f"Patient/{stored['id']}", headers={"if-none-match": 'W/"2"'}).status_code == 200


def test_if_modified_since_the_last_change_is_a_304(api: httpx.Client) -> None:
    stored = created(api, patient())
    modified = api.get(f"Patient/{stored['id']}").headers["last-modified"]
    assert api.get(f"Patient/{stored['id']}", headers={"if-modified-since": modified}).status_code == 304
    earlier = "Mon, 01 Jan 2001 00:00:00 GMT"
    assert api.get(f"Patient/{stored['id']}", headers={"if-modified-since": earlier}).status_code == 200
    assert api.get(f"Patient/{stored['id']}", headers={"if-modified-since": "yesterday"}).status_code == 200


def test_each_version_stays_readable(api: httpx.Client) -> None:
    first = created(api, patient(gender="female"))
    second = api.put(f"Patient/{first['id']}", json=first | {"gender": "other"}).json()
    assert api.get(f"Patient/{first['id']}/_history/1").json() == first
    assert api.get(f"Patient/{first['id']}/_history/2").json() == second
    for version in ("3", "0", "-1", "x", "1" * 30, "٣"):
        response = api.get(f"Patient/{first['id']}/_history/{version}")
        assert (response.status_code, numbers(response)) == (404, ["2003"])


def test_the_version_that_is_a_deletion_is_a_410(api: httpx.Client) -> None:
    stored = created(api, patient())
    api.delete(f"Patient/{stored['id']}")
    assert api.get(f"Patient/{stored['id']}/_history/2").status_code == 410
    assert api.get(f"Patient/{stored['id']}/_history/1").json() == stored
