"""A patch as it was sent, by its media type, or inside an entry of a Bundle: read into the change it asks for.

https://hl7.org/fhir/R4/http.html#patch
"""

import base64
import binascii
from typing import Any

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.definitions.capability import PATCH_FORMATS
from fhir_server.formats import fhirpath_patch, json_patch, merge_patch
from fhir_server.formats.patched import Change
from fhir_server.interactions import admission
from fhir_server.interactions.bundle_entry import Entry
from fhir_server.validation.validate import validate

PLAIN_JSON = frozenset({"application/json", "text/json"})
"""What says nothing about the form of a patch: fhirpy sends merge patches so."""


def change_of(media_type: str, document: Any, type: str) -> Change:
    """The change a document asks for. Plain JSON is read by its shape: an array as JSON Patch, Parameters as FHIRPath
    Patch, any other object as merge patch. `type` is that of the resource to be changed.

    Raises FhirError 400 for a document that is not of its form, 415 for another media type.
    """
    match media_type:
        case "application/json-patch+json":
            return json_patch.change(document)
        case "application/merge-patch+json":
            return merge_patch.change(document)
        case "application/fhir+json" | "application/json+fhir":
            return _by_fhirpath(document)
    if media_type not in PLAIN_JSON:
        raise outcome.UNSUPPORTED_MEDIA_TYPE(
            f"'{media_type[:64] or 'No media type'}' is no form of patch that is read here. "
            f"Send {', '.join(PATCH_FORMATS)}.",
            "Content-Type",
        )
    if isinstance(document, list):
        return json_patch.change(document)
    if _is_parameters(document) and type != "Parameters":
        return _by_fhirpath(document)
    return merge_patch.change(document)


def change_in(entry: Entry) -> Change:
    """The change an entry of a Bundle asks for: its resource is Parameters, or a Binary with a patch of any form.

    Raises FhirError 400 for another resource or an unreadable patch.
    """
    sent = entry.resource
    if _is_parameters(sent):
        return _by_fhirpath(sent)
    if not isinstance(sent, dict) or sent.get("resourceType") != "Binary":
        raise outcome.BAD_BUNDLE(
            "A PATCH entry needs a resource: Parameters with a FHIRPath Patch, or a Binary whose contentType is "
            "application/json-patch+json and whose data is the patch in base64."
        )
    admission.refuse(validate(sent, "Binary"))
    try:
        body = base64.b64decode(sent.get("data", ""))
    except binascii.Error:
        raise outcome.BAD_PATCH("The data of the Binary is not base64.", "Binary.data") from None
    if not body.strip():
        raise outcome.BAD_PATCH("The Binary of a PATCH entry needs data: the patch in base64.", "Binary.data")
    return change_of(media_type_of(sent.get("contentType")), decode(body), entry.type)


def media_type_of(content_type: str | None) -> str:
    """A media type without its parameters."""
    return (content_type or "").split(";")[0].strip().lower()


def _is_parameters(document: Any) -> bool:
    return isinstance(document, dict) and document.get("resourceType") == "Parameters"


def _by_fhirpath(document: Any) -> Change:
    if not _is_parameters(document):
        raise outcome.BAD_PATCH(
            "What is sent as application/fhir+json is a FHIRPath Patch: a Parameters resource. "
            "Send a JSON Patch as application/json-patch+json, a merge patch as application/merge-patch+json."
        )
    admission.refuse(validate(document, "Parameters"))
    return fhirpath_patch.change(document)
