"""What writes through an agency's client bear: its URI as their source, and a Provenance of who wrote and who sent.

https://hl7.org/fhir/R4/provenance.html, https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-provenance.html
"""

from collections.abc import Iterator, Sequence
from typing import Any

from fhir_server.core.instant import format_instant
from fhir_server.core.reference import parse_reference
from fhir_server.core.resource import Resource, new_logical_id
from fhir_server.core.write_plan import Document, Effects, Expect, Method, Put, Written
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.off_loop import as_large, computed
from fhir_server.policy import RESTRICTED
from fhir_server.policy_writes import PATIENT_ASSERTED, is_person
from fhir_server.search.index import index_values
from fhir_server.search.labels import also_labelled, hiding_labels
from smart_auth.access import AccessContext

CLIENT_SYSTEM = "urn:fhir-server:client"
"""The system of a client's id, where a Provenance names the client as the device that sent."""

MAX_TARGETS = 200
"""Targets of one Provenance: what a transaction writes of one patient by one author shares one."""

_MANY = 20
_URIS = "urn:ietf:rfc:3986"
_AGENT_TYPES = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_TRANSMITTER = ("http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type", "transmitter")
_ACTIVITIES = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_BY_METHOD: dict[Method, str] = {"POST": "CREATE", "PUT": "UPDATE", "PATCH": "UPDATE", "DELETE": "DELETE"}
_WITHOUT = frozenset({"Provenance", "AuditEvent"})
_AUTHORS = ("author", "recorder", "asserter", "performer", "requester", "sender", "informationSource", "expressedBy")
_WHO = frozenset({"Practitioner", "PractitionerRole", "RelatedPerson", "Patient", "Device", "Organization"})
"""What an agent of a Provenance may be."""


def stamped(context: RequestContext, resource: Resource, method: Method) -> Resource:
    """The resource with what the server says of where it came from, whatever was sent.

    Through an agency's client `meta.source` is the agency. People of no agency name no source for what they create,
    and what a patient creates bears the label PATAST and no other.
    """
    access = context.sight.access
    if access is None:
        return resource
    meta = dict(resource.get("meta") or {})
    if access.agency is not None:
        meta["source"] = access.agency
        meta.pop("_source", None)
    elif method == "POST" and is_person(access):
        meta.pop("source", None)
        meta.pop("_source", None)
    if method == "POST" and access.kind == "patient":
        meta["security"] = [PATIENT_ASSERTED]
    custodian = context.server.custodian
    if custodian is not None and "source" not in meta:
        meta["source"] = custodian
    if meta:
        return resource | {"meta": meta}
    return {name: value for name, value in resource.items() if name != "meta"}


def effects(context: RequestContext, documents: Sequence[Document]) -> Effects | None:
    """The Provenances of what an agency's client writes; None where nothing asks for one."""
    access = context.sight.access
    if access is None or access.agency is None or all(document.type in _WITHOUT for document in documents):
        return None
    agency = access.agency

    async def puts(written: tuple[Written, ...]) -> tuple[Put, ...]:
        pairs = [
            (document, each)
            for document, each in zip(documents, written, strict=True)
            if each.changed and document.type not in _WITHOUT
        ]
        wide = as_large(context) if len(pairs) > _MANY else context
        return await computed(wide, lambda: tuple(_puts(context, access, agency, pairs)))

    return Effects(("Provenance",), puts)


def _puts(
    context: RequestContext, access: AccessContext, agency: str, pairs: list[tuple[Document, Written]]
) -> Iterator[Put]:
    together: dict[tuple[Any, ...], list[Written]] = {}
    authors: dict[str, Resource] = {}
    for document, written in pairs:
        author = (_author(document.resource) if isinstance(document, Put) else None) or _signed_in(access)
        name = "" if author is None else author["reference"]
        if author is not None:
            authors[name] = author
        activity = _BY_METHOD[document.method] if isinstance(document, Put) else "DELETE"
        # Its creation and a later update by PUT differ in what is there now.
        if activity == "UPDATE" and written.created:
            activity = "CREATE"
        restricted = tuple(label for label in RESTRICTED if label in written.labels)
        hiding = hiding_labels(written.labels, document.index.tokens if isinstance(document, Put) else ())
        together.setdefault((activity, name, written.owners, restricted, hiding), []).append(written)
    server = context.server
    for (activity, name, owners, restricted, hiding), some in together.items():
        # Each owner has each target's token in the row, and those are bounded together.
        most = max(1, MAX_TARGETS // max(1, len(owners)))
        for start in range(0, len(some), most):
            targets = some[start : start + most]
            id = new_logical_id()
            resource = _provenance(access, agency, activity, authors.get(name), targets)
            if restricted:
                # What shows that a restricted resource exists is restricted too.
                resource["meta"]["security"] = [_coding(label) for label in restricted]
            index = index_values(resource, id, context.own_bases, None, server.parameters.indexed, about=owners)
            index = also_labelled(index, hiding)
            yield Put("Provenance", id, resource, index, "POST", Expect.NOTHING)


def _provenance(
    access: AccessContext, agency: str, activity: str, author: Resource | None, targets: list[Written]
) -> Resource:
    organization = {"type": "Organization", "identifier": {"system": _URIS, "value": agency}, "display": agency}
    device = {"type": "Device", "identifier": {"system": CLIENT_SYSTEM, "value": access.client_id}}
    return {
        "resourceType": "Provenance",
        "meta": {"source": agency},
        "target": [{"reference": f"{each.type}/{each.id}/_history/{each.version}"} for each in targets],
        "recorded": format_instant(max(each.updated for each in targets)),
        "activity": {"coding": [{"system": _ACTIVITIES, "code": activity}]},
        "agent": [
            _agent(_AGENT_TYPES, "author", author or organization, None if author is None else organization),
            _agent(*_TRANSMITTER, organization, None),
            _agent(_AGENT_TYPES, "assembler", device, organization),
        ],
    }


def _coding(label: str) -> Resource:
    code, _, system = label.partition("|")
    return {"system": system, "code": code.upper()}


def _agent(system: str, code: str, who: Resource, on_behalf_of: Resource | None) -> Resource:
    agent: Resource = {"type": {"coding": [{"system": system, "code": code}]}, "who": who}
    return agent if on_behalf_of is None else agent | {"onBehalfOf": on_behalf_of}


def _signed_in(access: AccessContext) -> Resource | None:
    """The person whose token it is."""
    parsed = parse_reference(access.fhir_user) if access.fhir_user else None
    return {"reference": parsed.local} if parsed is not None and parsed.type in _WHO else None


def _author(resource: Resource) -> Resource | None:
    """The first reference to a person, device or organisation among the elements that say who wrote it."""
    for element in _AUTHORS:
        told = resource.get(element)
        for each in told if isinstance(told, list) else [told]:
            reference = each.get("actor", each) if isinstance(each, dict) else {}
            text = reference.get("reference") if isinstance(reference, dict) else None
            parsed = parse_reference(text) if isinstance(text, str) else None
            if parsed is not None and parsed.type in _WHO:
                return {name: reference[name] for name in ("reference", "display") if name in reference}
    return None
