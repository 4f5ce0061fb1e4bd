"""What the writing entries of a transaction bring: a resource, or for a patch the change it asks for.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError, Issue
from fhir_server.core.reference import is_id
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Method
from fhir_server.formats.patched import Change
from fhir_server.interactions import admission
from fhir_server.interactions.batch import content
from fhir_server.interactions.bundle_entry import Entry, in_entry
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.patch_document import change_in

_METHODS: Mapping[str, Method] = {"POST": "POST", "PUT": "PUT", "PATCH": "PATCH", "DELETE": "DELETE"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What the entries bring, by position: the valid resource of a create or update, the change of a patch."""

    resources: Mapping[int, Resource]
    changes: Mapping[int, Change]


def contents_of(context: RequestContext, writing: Sequence[Entry]) -> Contents:
    """What the writing entries bring.

    Raises FhirError 400 or 422 with the findings of all of them, 403 where there is an entry its caller may not send.
    """
    resources: dict[int, Resource] = {}
    changes: dict[int, Change] = {}
    found: list[Issue] = []
    refuse_forbidden(context, writing)
    for entry in writing:
        try:
            _refuse_unroutable(entry)
            if entry.method == "PATCH":
                changes[entry.position] = change_in(entry)
            elif entry.method != "DELETE":
                resources[entry.position] = admission.admitted(context, content(entry), entry.type)
        except FhirError as error:
            found += in_entry(error, entry.position).issues
    admission.refuse(tuple(found))
    return Contents(resources, changes)


def refuse_forbidden(context: RequestContext, writing: Sequence[Entry]) -> None:
    """Raise FhirError 403 for the first entry that its caller may not send, whatever it holds."""
    for entry in writing:
        method = _METHODS.get(entry.method)
        if method is not None:
            try:
                admission.permit(context, entry.type, method)
            except FhirError as error:
                raise in_entry(error, entry.position) from None


def _refuse_unroutable(entry: Entry) -> None:
    one_id = len(entry.path) == 2 and bool(is_id(entry.path[1])) and not entry.query
    one_type = len(entry.path) == 1
    by_condition = one_type and bool(entry.query)
    is_routable = one_type and not entry.query if entry.method == "POST" else one_id or by_condition
    if entry.method not in _METHODS or not is_routable:
        raise outcome.BAD_BUNDLE(
            f"There is no interaction {entry.method} {'/'.join(entry.path)[:80]} in a transaction."
        )
    conditions = entry.conditions
    if entry.method == "POST" and (conditions.if_match or conditions.if_none_match):
        raise outcome.BAD_BUNDLE("A POST takes neither ifMatch nor ifNoneMatch; its condition is ifNoneExist.")
    if entry.method != "POST" and conditions.if_none_exist:
        raise outcome.BAD_BUNDLE(f"ifNoneExist is for a POST; the condition of a {entry.method} stands in its url.")
