"""An answer as a page: before its JSON what a person looks for first, and links to what is around it.

Narrative is shown as the text it is written in, never as HTML: whoever wrote it would speak in this page's name.
https://hl7.org/fhir/R4/narrative.html#security
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

from starlette.responses import Response
from starlette.types import Scope

from fhir_server.core.codec import decode
from fhir_server.definitions.compartments import COMPARTMENTS
from fhir_server.interactions.off_loop import LARGE_BODY_BYTES
from fhir_server.rest.context import BASE_PATH
from fhir_server.rest.html import page, path_of, root_of
from fhir_server.rest.pages_json import Linked, beginning, readable
from fhir_server.rest.pages_words import when_of, words_for
from fhir_server.search.page import CURSOR_PARAMETER

MAX_ASKED_CHARS = 2000

MAX_LINES = 1000
"""Rows of the table of entries: as many as a page of a search has at most. A stored Bundle may have more."""

Json = dict[str, Any]

_RELATIONS = {"self": "First page", "previous": "Previous page", "next": "Next page"}
"""What the links of a Bundle are called, in the order in which they stand. `self` repeats the search from its start."""

_KINDS = {"searchset": "Search", "history": "History", "batch-response": "Batch", "transaction-response": "Transaction"}


@dataclass(frozen=True, slots=True)
class Way:
    """A link of the page. `relation` is its link relation (RFC 8288), or empty."""

    href: str
    text: str
    relation: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of a Bundle as a row of a table; `href` is empty where there is nothing to read."""

    place: str
    href: str
    words: str
    when: str
    updated: str
    note: str


@dataclass(frozen=True, slots=True)
class Said:
    """An issue of an OperationOutcome: its severity, the elements or parameters it is about, and its words."""

    severity: str
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown: the JSON of an answer to the request of `scope`, with its status and headers.

    `base` is the FHIR base as the reader writes it, `own_bases` what else stands for this server.
    """

    scope: Scope
    base: str
    own_bases: tuple[str, ...]
    body: bytes
    status: int
    headers: Mapping[str, str]


async def answer_page(shown: Shown) -> Response:
    """The page of an answer, made beside the event loop where it is large."""
    if len(shown.body) > LARGE_BODY_BYTES:
        return await asyncio.to_thread(_drawn, shown)
    return _drawn(shown)


def _drawn(shown: Shown) -> Response:
    body = beginning(shown.body)
    is_whole = len(body) == len(shown.body)
    answer: Json = decode(body)
    # Of a stored resource the type may stand last.
    answer.setdefault("resourceType", "Resource")
    linked = Linked(tuple(dict.fromkeys((shown.base, *shown.own_bases))), path_of(shown.base))
    is_bundle = answer["resourceType"] == "Bundle"
    entries: list[Json] = answer.get("entry", []) if is_bundle else []
    # A page of a search says in an entry of its own what was left out of it.
    warnings = [entry.get("resource", {}) for entry in entries if entry.get("search", {}).get("mode") == "outcome"]
    outcomes = [answer] if answer["resourceType"] == "OperationOutcome" else warnings
    json = readable(body, linked)
    values = {
        "title": _title(answer, shown),
        "asked": _asked(shown.scope),
        "is_refusal": shown.status >= 400,
        "ways": list(_ways(answer, shown.status, linked)),
        "pages": list(_pages(answer, linked)) if is_bundle else [],
        "total": answer.get("total") if is_bundle else None,
        "count": len(entries),
        "are_all": is_whole,
        "lines": [_line(entry, linked) for entry in entries[:MAX_LINES]],
        "issues": [_said(issue) for outcome in outcomes for issue in outcome.get("issue", [])],
        "json": json.html,
        "is_whole": is_whole and json.is_whole,
        "json_href": _json_href(shown) if shown.scope["method"] in ("GET", "HEAD") else None,
    }
    return page("answer.html", shown.base, values, status=shown.status, headers={**shown.headers, "vary": "Accept"})


def _title(answer: Json, shown: Shown) -> str:
    if shown.status >= 400:
        return f"{shown.status} {HTTPStatus(shown.status).phrase}"
    type = answer["resourceType"]
    if "id" in answer and type != "OperationOutcome":
        return f"{type}/{answer['id']}"
    if type == "Bundle":
        kind = _KINDS.get(answer.get("type", ""), "Bundle")
        place = _place(shown.scope).removesuffix("_history").removesuffix("_search").strip("/")
        return f"{kind}: {place or 'all types'}" if kind in ("Search", "History") else kind
    return str(type)


def _place(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(BASE_PATH).strip("/")


def _asked(scope: Scope) -> str:
    """The request line for a person: without percent-encoding, and without the sealed value of a page link."""
    sealed = f"{CURSOR_PARAMETER}="
    names = [each for each in scope["query_string"].decode("latin-1").split("&") if not each.startswith(sealed)]
    query = unquote("&".join(names).replace("+", " "), errors="replace")
    # HEAD answers with the headers of the very page that GET has.
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    asked = f"{method} {scope['path']}" + (f"?{query}" if query else "")
    return asked if len(asked) <= MAX_ASKED_CHARS else f"{asked[:MAX_ASKED_CHARS]}…"


def _ways(answer: Json, status: int, linked: Linked) -> Iterator[Way]:
    type, id = answer["resourceType"], answer.get("id")
    if type == "CapabilityStatement" and id is None:
        yield Way(f"{root_of(linked.path)}/docs/api", "The same for people")
    if status >= 400 or type == "OperationOutcome" or not isinstance(id, str):
        return
    here = f"{linked.path}/{type}"
    yield Way(f"{here}/{id}/_history", "All its versions")
    if type in COMPARTMENTS:
        yield Way(f"{here}/{id}/*", f"All that belongs to this {type}")
    yield Way(here, f"All of type {type}")
    yield Way(f"{root_of(linked.path)}/docs/api/{type}", f"What can be asked of {type}")


def _pages(answer: Json, linked: Linked) -> Iterator[Way]:
    links = {link.get("relation"): link.get("url") for link in answer.get("link", [])}
    links["previous"] = links.get("previous") or links.get("prev")
    for relation, text in _RELATIONS.items():
        # Only pages of this server: a stored Bundle may have links that lead anywhere.
        href = linked.own(links.get(relation) or "")
        if href is not None:
            yield Way(href, text, relation)


def _line(entry: Json, linked: Linked) -> Line:
    request, response = entry.get("request", {}), entry.get("response", {})
    resource: Json = entry.get("resource") or response.get("outcome", {})
    type, marks = resource.get("resourceType", ""), resource.get("meta", {})
    href = linked.own(entry.get("fullUrl", "")) or linked.here(response.get("location", "")) or ""
    if request and href and "versionId" in marks:
        href += f"/_history/{marks['versionId']}"
    place = "/".join(filter(None, (type, resource.get("id", "")))) or request.get("url", "") or href
    mode = entry.get("search", {}).get("mode", "match")
    notes = ("" if mode == "match" else mode, request.get("method", ""), response.get("status", ""))
    updated = marks.get("lastUpdated") or response.get("lastModified") or ""
    return Line(place, href, words_for(resource), when_of(resource), updated, " ".join(filter(None, notes)))


def _said(issue: Json) -> Said:
    text = issue.get("details", {}).get("text") or issue.get("diagnostics") or issue.get("code", "")
    # FHIR's JSON has null where a primitive has extensions alone.
    where = ", ".join(filter(None, issue.get("expression", [])))
    return Said(issue.get("severity", ""), where, text)


def _json_href(shown: Shown) -> str:
    """The same request, with the answer as JSON alone."""
    path: str = shown.scope["path"]
    if path.startswith(BASE_PATH):
        path = path_of(shown.base) + path.removeprefix(BASE_PATH)
    else:
        path = root_of(shown.base) + path
    query = quote(shown.scope["query_string"], safe="%/?:@!$&'()*+,;=[]|~")
    kept = [each for each in query.split("&") if each and not each.startswith(("_format=", "_pretty="))]
    # One slash at its start: two would name another host.
    return f"/{quote(path).lstrip('/')}?{'&'.join([*kept, '_format=json', '_pretty=true'])}"
