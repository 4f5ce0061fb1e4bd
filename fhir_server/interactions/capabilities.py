"""capabilities: the CapabilityStatement, made from the table of what is offered.

https://hl7.org/fhir/R4/http.html#capabilities
"""

from functools import lru_cache
from typing import Any

import fhir_server
from fhir_server.core.codec import encode
from fhir_server.definitions.capability import SYSTEM_INTERACTIONS, TYPE_INTERACTIONS, offered_parameters
from fhir_server.definitions.registry import resource_types
from fhir_server.interactions.context import Answer, RequestContext

RELEASED = "2026-11-22"


def capabilities(context: RequestContext) -> Answer:
    """200 with the CapabilityStatement of this server for the base the client uses."""
    return Answer(200, _statement(context.server.base_url or context.base))


@lru_cache(maxsize=4)
def _statement(base: str) -> bytes:
    return encode(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": RELEASED,
            "kind": "instance",
            "software": {"name": "fhir-server", "version": fhir_server.__version__},
            "implementation": {"description": "FHIR R4 interoperability server", "url": base},
            "fhirVersion": "4.0.1",
            "format": ["json", "application/fhir+json"],
            "rest": [
                {
                    "mode": "server",
                    "resource": [_resource(type) for type in resource_types()],
                    "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
                }
            ],
        }
    )


def _resource(type: str) -> dict[str, Any]:
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
        "searchParam": [
            {"name": parameter.code, "definition": parameter.url, "type": parameter.type}
            for parameter in offered_parameters(type)
        ],
    }
