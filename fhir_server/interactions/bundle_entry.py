"""One entry of a batch or transaction, read from the Bundle: what is asked of which type, id or condition.

https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/R4/bundle.html
"""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from fhir_server.core import outcome
from fhir_server.core.codec import decode, encode
from fhir_server.core.etag import format_etag
from fhir_server.core.instant import format_instant, parse_instant
from fhir_server.core.outcome import FhirError, Issue, operation_outcome
from fhir_server.core.resource import Resource
from fhir_server.definitions.registry import is_resource_type
from fhir_server.interactions.context import NO_CONDITIONS, Answer, Conditions, RequestContext
from fhir_server.validation.validate import validate

MAX_ENTRIES = 20_000
"""Entries in one Bundle; a body of 16 MB holds about as many of the smallest useful resources."""

_REASONS = {200: "200 OK", 201: "201 Created", 204: "204 No Content", 304: "304 Not Modified"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One request inside a Bundle. `path` is the URL below the base without its query, in segments; a search by POST
    (`_search`) stands as the GET it is. `refusal` is why an entry of a batch cannot be run.
    """

    position: int
    method: str
    url: str
    path: tuple[str, ...]
    query: str
    full_url: str | None
    resource: Any
    conditions: Conditions
    refusal: FhirError | None = None

    @property
    def type(self) -> str:
        """The resource type the URL names."""
        return self.path[0]

    @property
    def id(self) -> str | None:
        """The logical id the URL names, if it does."""
        return self.path[1] if len(self.path) > 1 else None


def entries(context: RequestContext, bundle: Resource) -> tuple[Entry, ...]:
    """The entries of a batch or transaction in their order.

    Raises FhirError 400 with everything that keeps the Bundle from being run, each finding naming its entry. In a batch
    an entry whose request cannot be understood has a `refusal` instead.
    """
    shell = {name: value for name, value in bundle.items() if name != "entry"}
    sent = bundle.get("entry", [])
    if not isinstance(sent, list) or not all(isinstance(entry, dict) for entry in sent):
        raise outcome.BAD_BUNDLE("Bundle.entry must be an array of objects.", "Bundle.entry")
    if len(sent) > MAX_ENTRIES:
        raise outcome.TOO_LARGE(
            f"The Bundle has {len(sent)} entries; {MAX_ENTRIES} are the most. Send it in parts.", "Bundle.entry"
        )
    if sent:
        shell["entry"] = [{name: value for name, value in entry.items() if name != "resource"} for entry in sent]
    found = list(validate(shell, "Bundle"))
    read: list[Entry] = []
    if not found:
        for position, entry in enumerate(sent):
            try:
                read.append(_entry(context, position, entry))
            except FhirError as error:
                if bundle["type"] == "batch":
                    read.append(Entry(position, "", "", (), "", None, None, NO_CONDITIONS, error))
                else:
                    found += in_entry(error, position).issues
    if found:
        raise FhirError(400, found)
    return tuple(read)


def in_entry(error: FhirError, position: int) -> FhirError:
    """The same error, its issues naming the entry they belong to."""
    return FhirError(error.status, [_placed(issue, position) for issue in error.issues], error.headers)


def _placed(issue: Issue, position: int) -> Issue:
    where = f"Bundle.entry[{position}]"
    root, dot, rest = (issue.expression or "").partition(".")
    if is_resource_type(root) and root != "Bundle":
        where = f"{where}.resource{dot}{rest}"
    return Issue(issue.code, f"Entry {position}: {issue.text}", issue.number, issue.severity, where)


def _entry(context: RequestContext, position: int, entry: Resource) -> Entry:
    request = entry.get("request")
    if request is None:
        raise outcome.BAD_BUNDLE("The entry has no request; say its method and url.")
    url: str = request["url"]
    path, query = _below_base(context, url)
    method: str = request["method"]
    if method == "POST" and path[-1:] == ("_search",):
        if "resource" in entry:
            raise outcome.BAD_BUNDLE("A search by POST takes its parameters in the url here; send no resource with it.")
        # `Patient/p1/_search` searches all that is in the compartment; as a GET without the star it would be a read.
        method, path = "GET", (*path[:-1], "*") if len(path) == 3 else path[:-1]
    of_system = method in ("GET", "HEAD") and path in (("metadata",), ("_history",), ())
    if not of_system and (not path or not is_resource_type(path[0])):
        name = path[0][:64] if path else ""
        raise outcome.UNKNOWN_TYPE(f"The request URL names '{name}', which is not a resource type of R4.")
    since = request.get("ifModifiedSince")
    conditions = Conditions(
        if_match=request.get("ifMatch"),
        if_none_match=request.get("ifNoneMatch"),
        if_modified_since=parse_instant(since) if since else None,
        if_none_exist=request.get("ifNoneExist"),
    )
    return Entry(position, method, url, path, query, entry.get("fullUrl"), entry.get("resource"), conditions)


def _below_base(context: RequestContext, url: str) -> tuple[tuple[str, ...], str]:
    for base in context.own_bases:
        if url.startswith((f"{base}/", f"{base}?")) or url == base:
            url = url.removeprefix(base)
            break
    path, _, query = url.partition("?")
    if "://" in path:
        raise outcome.BAD_BUNDLE("The request URL names another server; use one relative to this base.")
    return tuple(unquote(part) for part in path.split("/") if part), query


def response_entry(context: RequestContext, answer: Answer, full_url: str | None = None) -> bytes:
    """The entry of a response Bundle as JSON, for an answer that succeeded."""
    response: Resource = {"status": _REASONS.get(answer.status, str(answer.status))}
    if answer.location is not None:
        response["location"] = f"{context.base}/{answer.location}"
    if answer.version is not None:
        response["etag"] = format_etag(answer.version)
    if answer.updated is not None:
        response["lastModified"] = format_instant(answer.updated)
    drawn = b'{"response":' + encode(response)
    if answer.body is not None:
        if answer.reports:
            return b'{"response":' + encode(response | {"outcome": decode(answer.body)}) + b"}"
        drawn += b',"resource":' + (as_binary(answer) if answer.media_type is not None else answer.body)
    if full_url is not None:
        drawn += b',"fullUrl":' + encode(full_url)
    return drawn + b"}"


def as_binary(answer: Answer) -> bytes:
    """An answer that is no FHIR JSON as a Binary resource: https://hl7.org/fhir/R4/binary.html"""
    content = b64encode(answer.body or b"").decode()
    return encode({"resourceType": "Binary", "contentType": answer.media_type, "data": content})


def failed_entry(context: RequestContext, error: FhirError) -> bytes:
    """The entry of a response Bundle as JSON, for an entry that was refused."""
    drawn = operation_outcome(error.issues, context.request_id)
    return encode({"response": {"status": str(error.status), "outcome": drawn}})
