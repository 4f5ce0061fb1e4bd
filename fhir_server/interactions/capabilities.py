"""capabilities: the CapabilityStatement, made from the table of what is offered.

https://hl7.org/fhir/R4/http.html#capabilities
"""

import re
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import fhir_server
from fhir_server.core.codec import encode
from fhir_server.definitions.capability import (
    CRITERIA,
    OPERATORS,
    PATCH_FORMATS,
    RESULTS,
    SYSTEM_INTERACTIONS,
    TEXTS,
    TYPE_INTERACTIONS,
    OfferedParameter,
    includes,
    offered_parameters,
    revincludes,
    shared_parameters,
)
from fhir_server.definitions.own_operations import own_operations_of
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.definitions.registry import resource_types
from fhir_server.interactions.audit_audience import AUDIT_TYPE, is_kept
from fhir_server.interactions.audit_capability import audit_resource
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.search.index import is_text_searched
from fhir_server.search.sort_keys import is_sortable
from fhir_server.search.suggestions import listed

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
RELEASED = "2026-11-22"
_PHONE = re.compile(r"\+?[0-9(][0-9 ().-]{4,}[0-9]")
_TYPE = "The resource types to search, with commas; without it all types."


def capabilities(context: RequestContext) -> Answer:
    """200 with the CapabilityStatement of this server for the base the client uses."""
    server = context.server
    return Answer(
        200,
        _statement(
            server.base_url or context.base,
            server.parameters.searched,
            server.oauth_endpoints,
            is_kept(context, AUDIT_TYPE),
            server.help_desk,
        ),
    )


@lru_cache(maxsize=4)
def _statement(
    base: str,
    parameter_set: ParameterSet,
    oauth_endpoints: tuple[tuple[str, str], ...] = (),
    keeps_audit: bool = False,
    help_desk: str = "",
) -> bytes:
    types = resource_types()
    return encode(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": RELEASED,
            **_contact(base, help_desk, signs_in=bool(oauth_endpoints)),
            "kind": "instance",
            "software": {"name": "fhir-server", "version": fhir_server.__version__},
            "implementation": {"description": "FHIR R4 interoperability server", "url": base},
            "fhirVersion": "4.0.1",
            "format": ["json", "application/fhir+json"],
            "patchFormat": list(PATCH_FORMATS),
            "rest": [
                {
                    "mode": "server",
                    **_security(base, oauth_endpoints),
                    "resource": [
                        audit_resource(parameter_set)
                        if keeps_audit and type == AUDIT_TYPE
                        else _resource(type, parameter_set)
                        for type in types
                    ],
                    "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
                    "searchParam": [*_of_every_type(types, parameter_set), *_of_every_search()],
                }
            ],
        }
    )


def _contact(base: str, help_desk: str, signs_in: bool) -> dict[str, Any]:
    """Who helps: `Global Service Center, 1-800-600-9332` is a name and a number; where people sign in, a page."""
    if not help_desk:
        return {}
    name, comma, number = help_desk.rpartition(",")
    is_number = bool(comma) and _PHONE.fullmatch(number.strip()) is not None
    telecom = [{"system": "phone", "value": number.strip()}] if is_number else []
    if signs_in:
        telecom.append({"system": "url", "value": "{0.scheme}://{0.netloc}/help".format(urlsplit(base))})
    contact = {"name": name.strip() if is_number else help_desk}
    return {"contact": [contact | ({"telecom": telecom} if telecom else {})]}


def _security(base: str, oauth_endpoints: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """How apps sign in: https://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html"""
    if not oauth_endpoints:
        return {}
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(base))
    uris = [{"url": name, "valueUri": f"{origin}{path}"} for name, path in oauth_endpoints]
    service = {"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}
    return {
        "security": {
            "extension": [{"url": OAUTH_URIS, "extension": uris}],
            "cors": True,
            "service": [{"coding": [service], "text": "OAuth 2.0, SMART App Launch"}],
            "description": "An access token is needed for everything but this statement and the help desks "
            f"(HealthcareService?characteristic=support); {base}/.well-known/smart-configuration says how to get one.",
        }
    }


def _resource(type: str, parameter_set: ParameterSet) -> dict[str, Any]:
    offered = {
        "searchInclude": ["*", *includes(type, parameter_set)],
        "searchRevInclude": list(revincludes(type, parameter_set)),
        "searchParam": [
            _parameter(type, each, parameter_set)
            for each in offered_parameters(type, parameter_set)
            if each.code not in TEXTS or is_text_searched(type)
        ],
        "operation": _operations(type),
    }
    return {
        "type": type,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type}",
        "interaction": [{"code": code} for code in TYPE_INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical"],
    } | {name: found for name, found in offered.items() if found}


def _operations(type: str) -> list[dict[str, Any]]:
    return [
        {"name": each.code, "definition": each.definition, "documentation": each.summary}
        for each in own_operations_of(type)
    ]


def _parameter(type: str, offered: OfferedParameter, parameter_set: ParameterSet) -> dict[str, Any]:
    stated = {"name": offered.code, "definition": offered.url, "type": offered.type}
    text = _documentation(offered, is_sortable(parameter_set.of(type)[offered.code]))
    return stated | {"documentation": text} if text else stated


def _documentation(offered: OfferedParameter, sorts: bool) -> str:
    said: list[str] = []
    if offered.modifiers:
        said.append(f"Modifiers: {' '.join(f':{each}' for each in offered.modifiers)}.")
    if offered.prefixes:
        said.append(f"Prefixes: {' '.join(offered.prefixes)}.")
    if offered.targets:
        said.append(f"Chains and type modifiers: {listed(offered.targets)}.")
    if sorts or offered.code in ("_id", "_lastUpdated"):
        said.append("Sorts.")
    return " ".join(said)


def _of_every_type(types: tuple[str, ...], parameter_set: ParameterSet) -> list[dict[str, Any]]:
    shared = frozenset(shared_parameters(types, parameter_set))
    first = types[0]
    return [
        _parameter(first, each, parameter_set)
        for each in offered_parameters(first, parameter_set)
        if each.code in shared and (each.code not in TEXTS or all(map(is_text_searched, types)))
    ]


def _of_every_search() -> list[dict[str, Any]]:
    operators = "; ".join(f"{type}: {' '.join(taken)}" for type, taken in OPERATORS.items())
    texts = {**CRITERIA, **RESULTS, "_type": _TYPE}
    texts["_filter"] = f"{texts['_filter']} Operators: {operators}."
    return [{"name": name, "type": "special", "documentation": text} for name, text in sorted(texts.items())]
