"""Operations run in the test's own process."""

from dataclasses import replace
from typing import Any

from msgspec import structs

from fhir_server.core.trail import Trail
from fhir_server.definitions.own_operations import called
from fhir_server.interactions.operation import call_by_body, call_by_query, run
from fhir_server.operations.table import OPERATIONS
from fhir_server.policy import Sight
from tests.rest.writers import Told, Writers, told_of


def with_operations(writers: Writers) -> Writers:
    """The same over a server that has the operations."""
    server = replace(writers.context.server, operations=OPERATIONS)
    return Writers(structs.replace(writers.context, server=server))


async def operated(writers: Writers, sight: Sight, type: str, code: str, **given: Any) -> Told:
    """The answer of `$code` to a POST of Parameters: strings, references, concepts and resources by their names."""
    operation = called(type, "type", code)
    assert operation is not None
    parameter = [{"name": name.replace("_", "-"), **_value(value)} for name, value in given.items()]
    content = {"resourceType": "Parameters", "parameter": parameter}
    context = structs.replace(writers.context, sight=sight, trail=Trail())
    return await told_of(context, lambda: run(context, call_by_body(operation, type, "", [], content)))


async def asked(writers: Writers, sight: Sight, type: str, code: str, *pairs: tuple[str, str]) -> Told:
    """The answer of `$code` to a GET."""
    operation = called(type, "type", code)
    assert operation is not None
    context = structs.replace(writers.context, sight=sight, trail=Trail())
    return await told_of(context, lambda: run(context, call_by_query(operation, type, "", pairs)))


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"valueString": value}
    return {"resource": value} if "resourceType" in value else {"valueReference": value}
