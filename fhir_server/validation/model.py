"""A second opinion on the six core types: the pydantic models of fhir.resources, made for R4B.

https://hl7.org/fhir/R4B/ (the models are of R4B; see docs/dependencies.md)

It says whether elements are known, present, single and of the right JSON kind. Formats and codes are left to
`validate`, which is stricter and made for R4; the models' own formats refuse some values R4 allows (UUIDs that are not
of version 4) and take others it does not. Whatever differs between R4 and R4B in these types is passed over. What the
models make of a resource is thrown away, so decimals keep their digits.

The first use of a type imports its model: 0.3 s and 25 MB for the first, 0.02 s and 0.5 MB for each other.
A check costs 210 µs for an Observation of 0.8 KB and 1.1 ms for a Patient of 3.3 KB.
"""

from contextlib import suppress
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from fhir_server.core.outcome import MODEL_REFUSED, Issue
from fhir_server.definitions.elements import structure
from fhir_server.validation.findings import Enough, Findings, Path, shown

MODELLED_TYPES = frozenset(
    ("Appointment", "Communication", "DocumentReference", "MedicationRequest", "Observation", "Patient")
)
"""The types with a second check."""


def model_findings(resource: Any) -> tuple[Issue, ...]:
    """What the models refuse in a resource that `validate` has found good; empty for types without a model.

    Contained resources of the six types are checked too, others are not.
    """
    findings = Findings()
    if isinstance(resource, dict):
        with suppress(Enough):
            _check(resource, None, findings)
    return findings.issues()


def _check(resource: dict[str, Any], path: Path | None, findings: Findings) -> None:
    name = resource.get("resourceType")
    if not isinstance(name, str) or name not in MODELLED_TYPES:
        return
    root: Path = path or (None, name, None, 1)
    contained = resource.get("contained")
    # R4B lacks 18 types of R4 and differs in others, so the model never sees contained resources.
    outermost = {key: value for key, value in resource.items() if key != "contained"}
    try:
        _model(name).model_validate(outermost)
    except ValidationError as refused:
        for error in refused.errors(include_url=False, include_context=False, include_input=False):
            _add(error["type"], error["loc"], error["msg"], name, root, findings)
    except Exception:
        # Whatever else escapes the library is a fault of its own, which must not refuse what `validate` accepts.
        return
    for index, inner in enumerate(contained if path is None and isinstance(contained, list) else ()):
        if isinstance(inner, dict):
            _check(inner, (root, "contained", index, 3), findings)


@cache
def _model(name: str) -> type[BaseModel]:
    from fhir.resources.R4B import get_fhir_model_class

    return get_fhir_model_class(name)


def _add(error: str, location: tuple[int | str, ...], message: str, name: str, root: Path, findings: Findings) -> None:
    last = next((step for step in reversed(location) if isinstance(step, str)), name)
    if error == "value_error":
        # Other errors of this kind are about formats, or miss a choice that is given by its `_name` twin alone.
        if "but got multiple" not in message:
            return
        verdict = "gives a value[x] in more than one form"
    elif error not in _VERDICTS or (error == "extra_forbidden" and _is_r4_only(last)):
        return
    else:
        verdict = _VERDICTS[error]
    text = f"The second check refuses the resource: '{shown(last)}' {verdict}."
    findings.add(MODEL_REFUSED, text, _path(location, name, root))


def _path(location: tuple[int | str, ...], name: str, root: Path) -> Path:
    """The place pydantic names, with the FHIRPath names of choices and of the elements behind `_name` twins."""
    path, within = root, name
    for step in location:
        if isinstance(step, int):
            path = (path[0], path[1], step, path[3])
            continue
        try:
            element = structure(within).elements.get(step.removeprefix("_"))
        except KeyError:
            element = None
        path = (path, (element.choice or element.name) if element else step, None, path[3] + 1)
        within = "" if element is None else "Element" if step.startswith("_") else element.type
    return path


def _is_r4_only(name: str) -> bool:
    """Whether R4 has the property and the models have not: resources' `_id`, Extension's `_value[x]` and valueMeta."""
    return name in ("_id", "valueMeta") or name.startswith("_value")


_VERDICTS = {
    "dict_type": "must be an object",
    "extra_forbidden": "is not an element of its type",
    "list_type": "must be an array",
    "missing": "is required and missing",
    "model_attributes_type": "must be an object",
    "model_field_validation.missing": "is required and missing",
    "model_type": "must be an object",
    "string_type": "must be a string",
}
