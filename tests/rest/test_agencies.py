"""Whose record and from which agency: sources, labels and tags are stamped and searched; identifiers have aliases."""

import httpx
import pytest

from tests.conftest import StartServer
from tests.rest.conftest import created, patient
from tests.rest.test_search import found

ICN_OID, ICN_URL = "urn:oid:2.16.840.1.113883.4.349", "http://va.gov/mpi"
DOD_ID = "urn:oid:2.16.840.1.113883.3.42.10001.100001.12"


def test_the_custodian_is_stamped_where_no_source_is_named_and_can_be_searched(server: StartServer) -> None:
    running = server(settings={"FHIR_CUSTODIAN": "urn:agency:dha"})
    with httpx.Client(base_url=f"{running.base}/", trust_env=False) as api:
        own = created(api, patient())
        theirs = created(api, patient(meta={"source": "urn:agency:uscg"}))
        assert (own["meta"]["source"], theirs["meta"]["source"]) == ("urn:agency:dha", "urn:agency:uscg")
        assert found(api, "Patient?_source=urn:agency:dha") == [own["id"]]
        assert found(api, "Patient?_source=urn:agency:uscg") == [theirs["id"]]


def test_without_a_custodian_nothing_is_added(api: httpx.Client) -> None:
    assert "source" not in created(api, patient())["meta"]


def test_labels_and_tags_are_searched_like_other_tokens(api: httpx.Client, unique: str) -> None:
    restricted = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    meta = {"security": [restricted], "tag": [{"system": "urn:t", "code": unique}]}
    stored = created(api, patient(meta=meta))["id"]
    created(api, patient(meta={"tag": meta["tag"]}))
    assert found(api, f"Patient?_tag=urn:t|{unique}&_security={restricted['system']}|R") == [stored]
    assert found(api, f"Patient?_tag=urn:t|{unique}&_security=V") == []


@pytest.mark.parametrize(
    ("system", "value", "queries"),
    [
        (ICN_OID, "1012740414V676553", [f"{ICN_OID}|1012740414V676553", f"{ICN_URL}|1012740414V676553"]),
        (ICN_URL, "1012740415V676554", [f"{ICN_OID}|1012740415V676554", "1012740415V676554"]),
        (DOD_ID, "1606681986", [f"{DOD_ID}|1606681986", "1606681986"]),
        (
            "http://hl7.org/fhir/sid/us-ssn",
            "999-45-1234",
            ["http://hl7.org/fhir/sid/us-ssn|999451234", "urn:oid:2.16.840.1.113883.4.1|999-45-1234"],
        ),
    ],
)
def test_an_identifier_is_found_under_each_of_its_names(
    api: httpx.Client, unique: str, system: str, value: str, queries: list[str]
) -> None:
    tag = {"tag": [{"system": "urn:t", "code": unique}]}
    stored = created(api, patient(meta=tag, identifier=[{"system": system, "value": value}]))
    assert stored["identifier"] == [{"system": system, "value": value}]
    for query in queries:
        assert found(api, f"Patient?_tag={unique}&identifier={query}") == [stored["id"]], query


def test_another_number_under_the_root_of_the_va_is_no_icn(api: httpx.Client, unique: str) -> None:
    stored = created(api, patient(identifier=[{"system": ICN_OID, "value": unique}]))["id"]
    assert found(api, f"Patient?identifier={ICN_OID}|{unique}") == [stored]
    assert found(api, f"Patient?identifier={ICN_URL}|{unique}") == []
