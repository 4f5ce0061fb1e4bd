"""What the CapabilityStatement says of AuditEvent where the server keeps the audit log itself.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from typing import Any

from fhir_server.definitions.capability import offered_parameters
from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.interactions.audit_audience import AUDIT_TYPE
from fhir_server.interactions.audit_event import BALP
from fhir_server.interactions.audit_filter import IDENTIFIED, PARAMETERS, RESULT_PARAMETERS

_PATTERNS = ("Create", "Read", "Update", "Delete", "Query")
_TEXT = (
    "Audit events are made by the server alone and never changed: officers search all, patients those that concern "
    f"their own record. They are sorted by date or -date. Result parameters: {', '.join(RESULT_PARAMETERS)}."
)


def audit_resource(parameter_set: ParameterSet) -> dict[str, Any]:
    """CapabilityStatement.rest.resource for AuditEvent."""
    offered = [each for each in offered_parameters(AUDIT_TYPE, parameter_set) if each.code in PARAMETERS]
    identified = {name.partition(":")[0] for name in IDENTIFIED}
    return {
        "type": AUDIT_TYPE,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{AUDIT_TYPE}",
        "supportedProfile": [
            f"{BALP}/StructureDefinition/IHE.BasicAudit.{whose}{each}"
            for each in _PATTERNS
            for whose in ("", "Patient")
        ],
        "documentation": _TEXT,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "readHistory": False,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalRead": "not-supported",
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "searchParam": [
            {"name": each.code, "definition": each.url, "type": each.type}
            | ({"documentation": "Modifiers: :identifier."} if each.code in identified else {})
            for each in offered
        ],
    }
