"""What a browser is shown: every answer as a page to read, the page at the root, and nothing new for programs."""

import json
import re
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.rest.respond import MAX_INDENTED_BYTES
from seeds.stories import STORIES
from tests.conftest import RunningServer, StartServer
from tests.rest.conftest import created, numbers, observation, patient
from tests.rest.pages import BROWSER, seen

HOSTILE = "</code></pre><script>document.title='owned'</script>\"'><img src=x onerror=alert(1)>"


def as_page(api: httpx.Client, path: str, **arguments: Any) -> httpx.Response:
    return api.request(arguments.pop("method", "GET"), path, headers=BROWSER, **arguments)


def site(shared_server: RunningServer, path: str, **headers: str) -> httpx.Response:
    """What stands beside the FHIR base."""
    root = shared_server.base.removesuffix("/fhir")
    return httpx.get(root + path, headers=BROWSER | headers, trust_env=False, timeout=30)


@pytest.mark.parametrize(
    ("accept", "written"),
    [
        (BROWSER["accept"], "text/html"),
        ("text/html", "text/html"),
        ("application/xhtml+xml", "text/html"),
        ("text/*", "text/html"),
        ("*/*", "application/fhir+json"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/fhir+json, text/html;q=0.9", "application/fhir+json"),
        ("text/html;q=0.5, application/fhir+json", "application/fhir+json"),
        ("text/html, application/fhir+json", "application/fhir+json"),
        ("text/html;q=0, */*", "application/fhir+json"),
        ("image/png, */*;q=0.1", "application/fhir+json"),
    ],
)
def test_only_who_prefers_html_is_given_a_page(api: httpx.Client, accept: str, written: str) -> None:
    answer = api.get("Patient?_count=1", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{written}; charset=utf-8"


def test_the_format_parameter_wins_over_what_a_browser_asks_for(api: httpx.Client) -> None:
    assert as_page(api, "metadata?_format=json").headers["content-type"].startswith("application/fhir+json")
    assert api.get("Patient?_count=1&_format=html").headers["content-type"].startswith("text/html")
    assert api.get("Patient?_count=1&_format=text/html").headers["content-type"].startswith("text/html")


def test_a_page_shows_every_digit_and_character_that_the_json_has(api: httpx.Client) -> None:
    sent = created(api, patient(name=[{"family": "Ōé & 漢字 <b>", "given": ["\\u0026amp;"]}]))
    body = json.dumps(observation(sent["id"]))[:-1] + ', "valueQuantity": {"value": 1.50, "unit": "<kg>"}}'
    made = api.post("Observation", content=body, headers={"content-type": "application/fhir+json"}).json()
    text = seen(as_page(api, f"Observation/{made['id']}")).all("pre")[0].text
    assert '"value": 1.50' in text
    assert json.loads(text) == api.get(f"Observation/{made['id']}").json()
    name = seen(as_page(api, f"Patient/{sent['id']}")).all("pre")[0].text
    assert json.loads(name) == api.get(f"Patient/{sent['id']}").json()


def test_references_and_urls_are_links_and_nothing_else_is(api: httpx.Client) -> None:
    who = created(api, patient())
    told = observation(who["id"], note=[{"text": "javascript:alert(1)"}, {"text": "see http://example.org/x"}])
    told["performer"] = [{"reference": f"{api.base_url}Patient/{who['id']}"}, {"reference": "#p"}]
    told["contained"] = [{"resourceType": "Practitioner", "id": "p", "active": True}]
    links = seen(as_page(api, f"Observation/{created(api, told)['id']}")).links()
    assert links[f'"Patient/{who["id"]}"'] == f"/fhir/Patient/{who['id']}"
    assert links['"http://loinc.org"'] == "http://loinc.org"
    assert not any("alert" in text or "see http" in text or text == '"#p"' for text in links)


def test_a_link_away_tells_nothing_of_where_it_stood(api: httpx.Client) -> None:
    who = created(api, patient())
    answer = as_page(api, f"Observation/{created(api, observation(who['id']))['id']}")
    assert answer.headers["referrer-policy"] == "no-referrer"
    away = [each.attributes for each in seen(answer).all("a") if each.attributes["href"].startswith("http")]
    assert away and all("noopener" in each["rel"] and "noreferrer" in each["rel"] for each in away)


def test_what_a_record_holds_never_becomes_part_of_the_page(api: httpx.Client) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><b>told</b></div>'
    who = created(
        api,
        patient(
            name=[{"family": HOSTILE}],
            text={"status": "generated", "div": div},
            photo=[{"url": f"http://example.org/{HOSTILE.replace(' ', '')}"}],
        ),
    )
    for path in (f"Patient/{who['id']}", f"Patient?_id={who['id']}", f"Patient/{who['id']}/_history"):
        answer = as_page(api, path)
        page = seen(answer)
        assert not page.all("script") and not page.all("img") and not page.all("b")
        assert not any(name.startswith("on") for each in page.elements for name in each.attributes)
        assert HOSTILE in json.dumps(json.loads(page.all("pre")[0].text), ensure_ascii=False).replace('\\"', '"')


def test_what_a_request_holds_never_becomes_part_of_the_page(api: httpx.Client) -> None:
    for path in ("Patient?name=%3Cscript%3E", "Patient?%3Cscript%3E=1", "%3Cscript%3E/1", "Patient/%3Cscript%3E"):
        page = seen(as_page(api, path))
        assert not page.all("script")
        assert "<script>" in page.all("code")[0].text


@pytest.mark.parametrize("path", ["Patient?_count=1", "metadata", "Patient/never-was", "nothing/at/all/there"])
def test_every_page_forbids_all_but_its_own_style(api: httpx.Client, path: str) -> None:
    headers = as_page(api, path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert set(policy) == {"default-src", "style-src", "img-src", "base-uri", "form-action", "frame-ancestors"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["vary"] == "Accept"


def test_no_page_has_style_or_script_within(api: httpx.Client, shared_server: RunningServer) -> None:
    for answer in (
        as_page(api, "Patient?_count=1"),
        site(shared_server, "/"),
        site(shared_server, "/docs/api/Patient"),
    ):
        page = seen(answer)
        assert not page.all("style") and not page.all("script")
        assert not any("style" in each.attributes for each in page.elements)


def test_the_pages_of_a_search_are_turned_by_links(api: httpx.Client, unique: str) -> None:
    made = {created(api, patient(name=[{"family": f"Page{unique}"}]))["id"] for _ in range(5)}
    path, found, turned = f"Patient?family=page{unique}&_count=2&_total=accurate", set(), 0
    while path:
        page = seen(as_page(api, path))
        text = page.all("main")[0].text
        assert "5 in all" in text
        rows = [each for each in page.all("a") if re.fullmatch(r"/fhir/Patient/[\w-]+", each.attributes["href"])]
        found |= {each.attributes["href"].rpartition("/")[2] for each in rows}
        path = page.links().get("Next page", "").removeprefix("/fhir/")
        turned += 1
    assert (found, turned) == (made, 3)


def test_the_first_page_can_be_gone_back_to(api: httpx.Client, unique: str) -> None:
    for _ in range(3):
        created(api, patient(name=[{"family": f"Back{unique}"}]))
    first = seen(as_page(api, f"Patient?family=back{unique}&_count=2"))
    second = as_page(api, first.links()["Next page"].removeprefix("/fhir/"))
    assert "_cursor" not in seen(second).all("code")[0].text
    again = seen(as_page(api, seen(second).links()["First page"].removeprefix("/fhir/")))
    assert json.loads(again.all("pre")[0].text)["entry"] == json.loads(first.all("pre")[0].text)["entry"]


def test_a_row_says_what_a_resource_is(api: httpx.Client) -> None:
    who = created(api, patient(name=[{"family": "Testpatient", "given": ["Synthia", "Row"]}]))
    seen_of = observation(who["id"])
    seen_of["code"]["text"] = "Body height"
    made = created(api, seen_of)
    rows = [row.text for row in seen(as_page(api, f"Patient/{who['id']}/*")).all("tr")]
    assert any(f"Observation/{made['id']}" in row and "Body height" in row for row in rows)
    assert any(
        "Synthia Row Testpatient" in row.text for row in seen(as_page(api, f"Patient?_id={who['id']}")).all("tr")
    )


def test_a_history_leads_to_each_version(api: httpx.Client) -> None:
    who = created(api, patient())
    api.put(f"Patient/{who['id']}", json=who | {"active": True})
    api.delete(f"Patient/{who['id']}")
    page = seen(as_page(api, f"Patient/{who['id']}/_history"))
    targets = [each.attributes["href"] for each in page.all("a")]
    for version in ("1", "2"):
        path = f"/fhir/Patient/{who['id']}/_history/{version}"
        assert path in targets
        assert as_page(api, path.removeprefix("/fhir/")).status_code == 200
    assert any("DELETE 204" in row.text for row in page.all("tr"))


def test_the_json_of_a_page_is_one_link_away(api: httpx.Client) -> None:
    who = created(api, patient(name=[{"family": "O'Neil|a&b"}]))
    for path in (f"Patient/{who['id']}", f"Patient?_id={who['id']}&family=O'Neil%5C%7Ca%26b&_format=html"):
        link = seen(as_page(api, path)).links()["JSON"]
        answer = as_page(api, link.removeprefix("/fhir/"))
        assert answer.headers["content-type"].startswith("application/fhir+json")
        assert answer.json() == api.get(path.replace("_format=html", "_format=json")).json()
        assert answer.text.startswith("{\n")


def test_a_transaction_is_answered_with_links_to_what_it_wrote(api: httpx.Client, unique: str) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": patient(id=unique), "request": {"method": "PUT", "url": f"Patient/{unique}"}},
            {"request": {"method": "DELETE", "url": "Patient/never-was"}},
        ],
    }
    page = seen(as_page(api, "", method="POST", json=bundle))
    assert page.all("h1")[0].text == "Transaction"
    assert f"/fhir/Patient/{unique}/_history/1" in page.links().values()
    assert any("201" in row.text for row in page.all("tr")) and any("204" in row.text for row in page.all("tr"))


def test_a_warning_of_a_search_is_said_before_its_results(api: httpx.Client) -> None:
    answer = api.get("Patient?nothing=1&_count=1", headers=BROWSER | {"prefer": "handling=lenient"})
    (said,) = (each for each in seen(answer).all("li") if each.attributes.get("class") == "warning")
    assert "'nothing'" in said.text


def test_what_was_posted_has_no_link_that_would_not_repeat_it(api: httpx.Client, unique: str) -> None:
    created(api, patient(name=[{"family": f"Form{unique}"}]))
    answer = as_page(api, "Patient/_search", method="POST", data={"family": f"form{unique}"})
    page = seen(answer)
    assert "JSON" not in page.links()
    assert "Synthia" not in answer.request.url.query.decode()
    assert unique not in page.all("code")[0].text


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("Patient/never-was", 404, "404 Not Found"),
        ("Patientt/1", 404, "404 Not Found"),
        ("Patient?nothing=1&birthdate=soon", 400, "400 Bad Request"),
        ("Patient?_format=xml", 406, "406 Not Acceptable"),
        ("Patient?_pretty=perhaps", 400, "400 Bad Request"),
        ("Patient?_cursor=made-up", 400, "400 Bad Request"),
    ],
)
def test_a_refusal_is_readable_too(api: httpx.Client, path: str, status: int, said: str) -> None:
    answer = as_page(api, path)
    page = seen(answer)
    assert answer.status_code == status
    assert page.all("h1")[0].text == said
    outcome = json.loads(page.all("pre")[0].text)
    assert outcome["id"] == answer.headers["x-request-id"]
    for issue in outcome["issue"]:
        assert any(issue["details"]["text"] in each.text for each in page.all("li"))
    assert numbers(api.get(path)) == [each["details"]["coding"][0]["code"] for each in outcome["issue"]]


def test_a_deleted_resource_says_so_on_a_page(api: httpx.Client) -> None:
    who = created(api, patient())
    api.delete(f"Patient/{who['id']}")
    answer = as_page(api, f"Patient/{who['id']}")
    assert (answer.status_code, seen(answer).all("h1")[0].text) == (410, "410 Gone")


def test_a_refused_method_still_says_which_there_are(api: httpx.Client) -> None:
    answer = as_page(api, "metadata", method="DELETE")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert "JSON" not in seen(answer).links()


def test_head_answers_as_get_without_the_page(api: httpx.Client, shared_server: RunningServer) -> None:
    who = created(api, patient())
    got, head = (as_page(api, f"Patient/{who['id']}", method=method) for method in ("GET", "HEAD"))
    assert head.content == b""
    ours = ("content-type", "content-length", "etag", "last-modified", "content-security-policy")
    assert {name: head.headers[name] for name in ours} == {name: got.headers[name] for name in ours}
    root = shared_server.base.removesuffix("fhir")
    assert httpx.head(root, trust_env=False).status_code == 200


def test_conditional_reads_hold_for_pages(api: httpx.Client) -> None:
    who = created(api, patient())
    answer = as_page(api, f"Patient/{who['id']}")
    unchanged = api.get(f"Patient/{who['id']}", headers=BROWSER | {"if-none-match": answer.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_programs_are_answered_as_before(api: httpx.Client) -> None:
    who = created(api, patient())
    for headers in ({}, {"accept": "application/fhir+json"}, {"accept": "*/*"}):
        answer = api.get(f"Patient/{who['id']}", headers=headers)
        assert answer.json() == who
        assert set(answer.headers) - {"date", "server"} == {
            "content-type", "content-length", "etag", "last-modified", "cache-control", "x-request-id",
            "x-content-type-options", "cross-origin-resource-policy",
        }  # fmt: skip


def test_an_attachment_is_shortened_on_the_page_and_whole_in_the_json(api: httpx.Client) -> None:
    binary = created(api, {"resourceType": "Binary", "contentType": "text/plain", "data": "QUJD" * 500_000})
    answer = as_page(api, f"Binary/{binary['id']}")
    assert len(answer.content) < 10_000
    assert "characters more" in seen(answer).all("pre")[0].text
    whole = as_page(api, seen(answer).links()["JSON"].removeprefix("/fhir/"))
    assert whole.json()["data"] == binary["data"]


def test_the_root_says_what_this_is_and_where_to_go(shared_server: RunningServer) -> None:
    answer = site(shared_server, "/")
    page = seen(answer)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-cache"
    links = set(page.links().values())
    assert {"/fhir/metadata", "/docs/api", "/fhir/openapi.json", "/readyz"} <= links
    text = page.all("main")[0].text
    assert shared_server.base in text
    assert "No sign-in" in text
    assert not any("smart-configuration" in link for link in links)


def test_the_root_says_how_to_load_the_stories_where_they_are_not(shared_server: RunningServer) -> None:
    text = seen(site(shared_server, "/")).all("main")[0].text
    assert "The demo population is not loaded" in text and "--demo" in text


def test_the_root_tells_the_stories_as_soon_as_the_demo_population_is_complete(
    server: StartServer, mongodb: MongoClient[dict[str, Any]], database_name: str
) -> None:
    running = server()
    known = mongodb[database_name]["server.populations"]
    for complete in (False, True):
        known.update_one({"_id": "demo"}, {"$set": {"today": "2026-01-01", "complete": complete}}, upsert=True)
        titles = [each.text for each in seen(site(running, "/")).all("h3")]
        assert titles == ([story.title for story in STORIES] if complete else [])
    links = set(seen(site(running, "/")).links().values())
    assert "/fhir/Patient/rivera-ana" in links


def test_links_of_the_root_lead_somewhere(shared_server: RunningServer) -> None:
    for link in seen(site(shared_server, "/")).links().values():
        if link.startswith("/"):
            assert site(shared_server, link).status_code == 200, link


def test_the_style_may_be_kept_as_its_link_changes_with_it(shared_server: RunningServer) -> None:
    page = seen(site(shared_server, "/"))
    for link in page.all("link"):
        answer = site(shared_server, link.attributes["href"])
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].split(";")[0] in ("text/css", "image/svg+xml")
    assert site(shared_server, "/assets/landing.html").status_code == 404
    assert site(shared_server, "/assets/..%2Fhtml.py").status_code == 404


@pytest.mark.parametrize("path", ["/", "/docs/api", "/docs/api/Patient", "/assets/style.css"])
def test_pages_are_read_only_and_for_known_hosts(shared_server: RunningServer, path: str) -> None:
    root = shared_server.base.removesuffix("/fhir")
    posted = httpx.post(root + path, trust_env=False)
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
    foreign = httpx.get(root + path, headers={"host": "evil.example"}, trust_env=False)
    assert (foreign.status_code, numbers(foreign)) == (400, ["1011"])
    assert site(shared_server, path, host="evil.example").status_code == 400


@pytest.mark.parametrize("path", ["Patient/nobody", "Patientt", "metadata", "Patient?_count=0", "Patient?nothing=1"])
def test_no_answer_can_be_part_of_another_sites_page(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_what_is_too_large_to_indent_is_answered_as_it_is(api: httpx.Client) -> None:
    data = "QUJD" * (MAX_INDENTED_BYTES // 4)
    large = created(api, {"resourceType": "Binary", "contentType": "text/plain", "data": data})
    plain, pretty = (api.get(f"Binary/{large['id']}?_pretty={value}").content for value in ("false", "true"))
    assert pretty == plain
