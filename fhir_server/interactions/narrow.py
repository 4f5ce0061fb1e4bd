"""The one place where a search is narrowed to what its caller may see: outer searches, links of chains, and includes.

https://hl7.org/fhir/R4/security.html#authorization
"""

from msgspec.structs import replace

from fhir_server.definitions.participants import PARTICIPANTS
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.withheld import refuse_asking
from fhir_server.policy import EVERYTHING, Permission, permitted, row_filter, visible
from fhir_server.search.request import MAX_VALUES, Clause, SearchRequest, Tokens, Visible
from fhir_server.store.resources import Within


def narrow(
    context: RequestContext, request: SearchRequest, permission: Permission = "s", named_by: str | None = None
) -> SearchRequest:
    """The search for what the caller may see of what `request` finds.

    Raises FhirError 403 where no scope covers its type, or it asks for an identifier that is withheld; `named_by` is
    the parameter that leads there, if one does.
    """
    refuse_asking(context, request.conditions)
    return seen(request, permitted(context.sight, request.type, permission, named_by))


def narrow_if_granted(
    context: RequestContext, request: SearchRequest, permission: Permission = "s"
) -> SearchRequest | None:
    """The same, None where no scope covers its type or nothing of it is the caller's."""
    found = visible(context.sight, request.type, permission)
    return seen(request, found) if found is not None and found.reaches else None


def seen(request: SearchRequest, visible: Visible) -> SearchRequest:
    """The search for what of `request` lies within reach."""
    if visible is EVERYTHING:
        return request
    return replace(request, conditions=(*request.conditions, *_taking_part(request, visible), visible))


def _taking_part(request: SearchRequest, visible: Visible) -> tuple[Clause, ...]:
    """What `visible` says of participants, in tokens too: an index of current rows can be led by those."""
    names = PARTICIPANTS.get(request.type)
    if names is None or request.contained != "false":
        return ()
    places: dict[str, None] = {}
    for reach in visible.reaches:
        if reach.participants is None:
            return ()
        places |= dict.fromkeys(reach.participants)
    tokens = tuple(f"{name}|{place}" for name in names for place in places)
    return (Clause(names[-1], (Tokens(tokens),)),) if 0 < len(tokens) <= MAX_VALUES else ()


def within(context: RequestContext, type: str, permission: Permission) -> Within:
    """The filter of the rows of a type that the caller may do this with. Raises FhirError 403 as `narrow` does."""
    return row_filter(permitted(context.sight, type, permission))
