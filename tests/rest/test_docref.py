"""DocumentReference/$docref leads to a Continuity of Care Document that is made of what its caller may see.

https://hl7.org/fhir/us/core/OperationDefinition-docref.html
"""

from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from lxml import etree

from fhir_server.core.codec import decode, encode
from fhir_server.interactions.context import RequestContext
from fhir_server.validation.validate import validate
from smart_auth.access import AccessContext
from tests.rest.access import BASE, as_bearer, guarded
from tests.rest.charts import SHARED, bundle, chart, charts, clinician, operate, parent, patient, refused, system
from tests.rest.in_process import put
from tests.rest.narrowing import scope

DOCREF, CCD = "DocumentReference/$docref", "Patient/anna/$ccd"
ANNA = ("patient", "anna")
V3 = {"v3": "urn:hl7-org:v3"}


@pytest_asyncio.fixture(scope="module")
async def context(mongodb_uri: str) -> AsyncIterator[RequestContext]:
    async with charts(mongodb_uri, "test_docref") as context:
        yield context


def listed(found: dict[str, Any]) -> list[str]:
    """The ids of those that are stored, and the URLs of those that are made."""
    resources = [entry["resource"] for entry in found.get("entry", [])]
    return [each.get("id") or each["content"][0]["attachment"]["url"] for each in resources]


async def document(context: RequestContext, *given: Any) -> Any:
    answer = await operate(context, *given)
    assert answer.media_type == "application/xml" and answer.body is not None
    return etree.fromstring(answer.body)


def texts(root: Any, path: str) -> list[str]:
    return ["".join(each.itertext()) for each in root.xpath(path, namespaces=V3)]


async def test_without_more_it_is_the_ccd_as_a_valid_document_reference(context: RequestContext) -> None:
    found = await bundle(context, patient(), DOCREF, ANNA)
    assert (found["type"], found["total"]) == ("searchset", 1)
    (entry,) = found["entry"]
    assert entry["resource"]["content"][0]["attachment"]["url"] == f"{BASE}/Patient/anna/$ccd"
    assert entry["resource"]["subject"]["reference"] == "Patient/anna"
    assert [each for each in validate(entry["resource"], "DocumentReference") if each.severity == "error"] == []


async def test_what_is_stored_is_listed_by_type_and_by_when_the_care_was(context: RequestContext) -> None:
    note = ("type", "http://loinc.org|11506-3")
    assert listed(await bundle(context, patient(), DOCREF, ANNA, note)) == ["anna-note"]
    assert listed(await bundle(context, patient(), DOCREF, ANNA, ("start", "2024-06-01"), ("end", "2024-06-01"))) == [
        "anna-note"
    ]
    assert listed(await bundle(context, patient(), DOCREF, ANNA, note, ("end", "2024-05-31"))) == []
    assert listed(await bundle(context, patient(), DOCREF, ANNA, note, ("start", "2024-06-02"))) == []
    both = await bundle(context, patient(), DOCREF, ANNA, ("start", "2024-01-01"))
    assert listed(both) == [f"{BASE}/Patient/anna/$ccd", "anna-note"]
    ccd = ("type", "http://loinc.org|34133-9")
    assert listed(await bundle(context, patient(), DOCREF, ANNA, ccd)) == [f"{BASE}/Patient/anna/$ccd"]
    demanded = await bundle(context, patient(), DOCREF, ANNA, ("start", "2024-01-01"), ("on-demand", "true"))
    assert listed(demanded) == [f"{BASE}/Patient/anna/$ccd"]


async def test_where_there_is_none_the_searchset_is_empty(context: RequestContext) -> None:
    found = await bundle(context, patient(), DOCREF, ANNA, ("type", "http://loinc.org|00000-0"))
    assert (found["total"], "entry" in found) == (0, False)


async def test_the_ccd_has_its_header_its_sections_and_coded_entries(context: RequestContext) -> None:
    root = await document(context, patient(), CCD)
    assert root.xpath("string(v3:templateId[2]/@root)", namespaces=V3) == "2.16.840.1.113883.10.20.22.1.1"
    codes = root.xpath("//v3:section/v3:code/@code", namespaces=V3)
    assert set(codes) == {
        "48765-2",
        "10160-0",
        "11450-4",
        "30954-2",
        "11369-6",
        "8716-3",
        "47519-4",
        "29762-2",
        "46240-8",
    }
    assert texts(root, "//v3:recordTarget//v3:patient/v3:name/v3:family") == ["Łukasiewicz-anna"]
    assert root.xpath("string(//v3:birthTime/@value)", namespaces=V3) == "19700203"
    for code in ("195967001", "435", "140", "2339-0", "29463-7", "127783003", "91935009"):
        assert root.xpath(f"//v3:entry//*[@code='{code}']", namespaces=V3), code
    (value,) = root.xpath("//v3:observation[v3:code/@code='29463-7']/v3:value", namespaces=V3)
    assert (value.get("value"), value.get("unit")) == ("70.5", "kg")
    assert not root.xpath("//*[@code='22298006']") and not root.xpath("//*[@code='82272006']")


async def test_every_entry_says_where_its_words_stand_and_every_id_is_one(context: RequestContext) -> None:
    root = await document(context, patient(), CCD)
    ids = root.xpath("//@ID")
    assert len(ids) == len(set(ids))
    named = [each.removeprefix("#") for each in root.xpath("//v3:text/v3:reference/@value", namespaces=V3)]
    assert named and set(named) <= set(ids)


async def test_what_people_wrote_stays_text(context: RequestContext) -> None:
    root = await document(context, patient(), CCD)
    assert not root.xpath("//*[local-name()='script']")
    assert any("<script>alert(1)</script> ]]>" in each for each in texts(root, "//v3:td"))
    assert any("日本" in each for each in texts(root, "//v3:td"))


async def test_numbers_that_cda_cannot_hold_are_words(context: RequestContext) -> None:
    await put(context, {"resourceType": "Patient", "id": "odd", "name": [{"text": "Odd \t One"}]})
    for number, value in enumerate(("1e9999", "-0", "1e-400", "12345678901234567890.0")):
        code = {"coding": [{"system": "http://loinc.org", "code": f"{number}-0", "display": "x" * 5_000}]}
        observation = chart("odd")[9] | {"id": f"odd-{number}", "code": code}
        observation["valueQuantity"] = decode(f'{{"value":{value},"unit":"g"}}'.encode())
        await put(context, observation)
    root = await document(context, patient("odd"), "Patient/odd/$ccd")
    assert len(root.xpath("//v3:observation/v3:value", namespaces=V3)) == 4
    assert await bundle(context, patient("odd"), "Patient/odd/$summary")
    assert (await operate(context, patient("odd"), "Patient/odd/$record-pdf")).body


async def test_each_caller_gets_what_they_may_see(context: RequestContext) -> None:
    def seen(root: Any) -> str:
        return "".join(root.itertext())

    whole = seen(await document(context, patient(), CCD))
    assert "hidden from parents" in whole and "hidden as restricted" in whole
    assert "hidden from parents" not in seen(await document(context, parent(), CCD))
    for sight in (clinician("anna"), system()):
        assert "hidden as restricted" not in seen(await document(context, sight, CCD))
    narrow = patient("anna", "patient/Patient.rs", "patient/DocumentReference.rs")
    root = await document(context, narrow, CCD)
    assert set(root.xpath("//v3:section/@nullFlavor", namespaces=V3)) == {"MSK"}


@pytest.mark.parametrize("path", [DOCREF, CCD])
async def test_others_are_refused(context: RequestContext, path: str) -> None:
    pairs = (ANNA,) if path == DOCREF else ()
    for sight in (patient("ben"), clinician("ben")):
        assert (await refused(context, sight, path, *pairs)).status == 404
    for sight in (patient("anna", acr="level1"), patient("anna", "patient/Patient.rs")):
        assert (await refused(context, sight, path, *pairs)).status == 403


@pytest.mark.parametrize(
    "pairs", [(), (("patient", "Practitioner/dr"),), (("patient", "a b"),), (ANNA, ("start", "soon")), (ANNA, ANNA)]
)
async def test_a_call_that_cannot_be_understood_is_400(context: RequestContext, pairs: Any) -> None:
    assert (await refused(context, patient(), DOCREF, *pairs)).status == 400


async def test_the_url_of_the_document_opens_as_xml_and_as_a_binary(mongodb_uri: str, database_name: str) -> None:
    anna = AccessContext("a", "app", "patient", (scope("patient/*.rs"),), patients=("anna",), patient="anna")
    admin = AccessContext("root", "console", "admin", (scope("user/*.cruds"),))
    async with guarded(mongodb_uri, database_name, {"anna": anna, "admin": admin}) as client:
        for each in (*SHARED, *chart("anna")):
            headers = as_bearer("admin") | {"content-type": "application/fhir+json"}
            await client.put(f"{each['resourceType']}/{each['id']}", content=encode(each), headers=headers)
        body = {"resourceType": "Parameters", "parameter": [{"name": "patient", "valueId": "anna"}]}
        found = await client.post("DocumentReference/$docref", json=body, headers=as_bearer("anna"))
        url = found.json()["entry"][0]["resource"]["content"][0]["attachment"]["url"]
        xml = await client.get(url, headers=as_bearer("anna") | {"accept": "application/xml"})
        assert xml.headers["content-type"].startswith("application/xml")
        assert etree.fromstring(xml.content).tag == "{urn:hl7-org:v3}ClinicalDocument"
        binary = await client.get(url, headers=as_bearer("anna") | {"accept": "application/fhir+json"})
        assert binary.json()["contentType"] == "application/xml"
        assert etree.fromstring(b64decode(binary.json()["data"])).tag == "{urn:hl7-org:v3}ClinicalDocument"
        events = await client.get("AuditEvent?patient=anna&subtype=ccd,docref", headers=as_bearer("anna"))
        assert len(events.json()["entry"]) == 3
