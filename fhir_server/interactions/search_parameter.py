"""What storing a SearchParameter resource does beside storing it: it brings a custom parameter into force, or ends it.

https://hl7.org/fhir/R4/searchparameter.html
"""

from collections.abc import Iterator

import msgspec

from fhir_server.core import outcome
from fhir_server.core.outcome import Issue
from fhir_server.core.resource import Resource
from fhir_server.core.write_plan import Put, WritePlan
from fhir_server.definitions import custom_parameters
from fhir_server.definitions.custom_parameters import Custom
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.search.expressions import NotReadable
from fhir_server.search.paths import leaves
from fhir_server.search.writers import writer
from fhir_server.store import parameter_sets
from fhir_server.store.mongo import Database, Session
from fhir_server.store.transactions import Besides

SHAPES = (
    "Type.element.element",
    "element[n]",
    "element as Type (also .as(Type), .ofType(Type))",
    ".where(element='text') (also .extension('url'))",
    ".where(resolve() is Type)",
    "element.exists() and element != false",
)
"""What expressions are made of; `|` joins several."""


def findings(resource: Resource) -> tuple[Issue, ...]:
    """Why a valid SearchParameter resource cannot come into force; empty where it can, or is only to be stored."""
    custom = custom_parameters.read(resource)
    if custom is None:
        return ()
    return custom_parameters.findings(custom) or tuple(_unreadable(custom))


def changes(plan: WritePlan) -> Besides | None:
    """What a plan changes of the custom search parameters, to be done in its transaction; None where it has none."""
    defined: dict[str, Custom | None] = {}
    for document in plan.documents:
        if document.type == "SearchParameter":
            custom = custom_parameters.read(document.resource) if isinstance(document, Put) else None
            defined[document.id] = None if custom is None else msgspec.structs.replace(custom, id=document.id)
    if not defined:
        return None

    async def change(database: Database, running: Session) -> None:
        await parameter_sets.change(database, running, defined)

    return change


def _unreadable(custom: Custom) -> Iterator[Issue]:
    for parameter in custom.applied():
        text = _fault(parameter)
        if text is not None:
            yield outcome.BUSINESS_RULE.issue(text, "SearchParameter.expression")


def _fault(parameter: SearchParameter) -> str | None:
    expression = parameter.expression or ""
    try:
        found = leaves(parameter.base, expression)
    except NotReadable:
        return (
            f"The expression '{expression[:200]}' cannot be read on {parameter.base}: an element of it does not exist, "
            f"or it has another shape than these, joined by '|': {'; '.join(SHAPES)}."
        )
    if any(writer(parameter, leaf, found) is not None for leaf in found):
        return None
    types = ", ".join(sorted({leaf.type for leaf in found})) or "nothing"
    return (
        f"The expression '{expression[:200]}' leads to {types} on {parameter.base}, in which a parameter of type "
        f"{parameter.type} finds nothing."
    )
