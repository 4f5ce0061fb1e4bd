"""Tokens of a system that acts for itself, for everybody or for one patient.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#obtain-access-token
"""

import base64
import re

import msgspec

from smart_auth import scopes
from smart_auth.access import ResourceScope
from smart_auth.asked_scopes import asked_scopes, few
from smart_auth.authorization import Authorization
from smart_auth.errors import invalid_request, invalid_scope
from smart_auth.form import Form
from smart_auth.issued import Issued
from smart_auth.random_secrets import new_id
from smart_auth.records import Client, Grant

# https://hl7.org/fhir/R4/datatypes.html#id
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class _Launch(msgspec.Struct):
    patient: str


async def issue_to_client(authorization: Authorization, form: Form, client: Client, base: str) -> Issued:
    """An access token for the `system/` scopes that were asked for and are registered.

    With `launch` (a patient's id, or base64url of `{"patient": "<id>"}`) it is for that patient alone. Raises
    OAuthError invalid_scope, or invalid_request where there is no such patient.
    """
    possible = few(scopes.intersect(asked_scopes(form), client.scope.split()))
    granted = tuple(text for text in possible if _is_system(text))
    if not granted:
        raise invalid_scope("None of these scopes is a system/ scope that this client is registered for.")
    patient = _patient(form["launch"]) if "launch" in form else None
    if patient is not None and not await authorization.directory.patient_exists(patient):
        raise invalid_request("The launch names no patient that there is.")
    # RFC 6749 section 4.4.3: no refresh token. The grant is not kept: it ends with its one token, and an operator
    # ends it by the token or the client.
    grant = Grant(id=new_id(), client_id=client.id, account=None, scopes=granted, base=base, patient=patient)
    return Issued(await authorization.grants.answer(grant, client, None, base), grant)


def _is_system(text: str) -> bool:
    scope = scopes.read_scope(text)
    return isinstance(scope, ResourceScope) and scope.level == "system"


def _patient(launch: str) -> str:
    try:
        # An id may look like base64 by chance, but not like base64 of a JSON object.
        padded = launch.rstrip("=") + "=" * (-len(launch.rstrip("=")) % 4)
        decoded = base64.b64decode(padded, altchars=b"-_" if set(launch) & set("-_") else None, validate=True)
        id = msgspec.json.decode(decoded, type=_Launch).patient
    except (ValueError, msgspec.DecodeError):
        id = launch
    id = id.removeprefix("Patient/")
    if _ID.fullmatch(id) is None:
        raise invalid_request("The launch must be a patient's id, or base64 of a JSON object with it as patient.")
    return id
