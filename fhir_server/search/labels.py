"""The labels of a row, and which of them hide it and what is about it.

https://hl7.org/fhir/R4/security-labels.html
"""

from collections.abc import Collection, Iterable
from typing import Any

from msgspec import structs

from fhir_server.core.write_plan import IndexValues
from fhir_server.definitions.unreleased import SYSTEM as UNRELEASED_SYSTEM
from fhir_server.search.entries import bounded
from fhir_server.search.parameter_types import token

_HIDES_NOTHING = (
    *(f"|http://terminology.hl7.org/CodeSystem/{name}" for name in ("v3-ObservationValue", "v3-ActReason")),
    f"|{UNRELEASED_SYSTEM}",
)
"""Ends the labels that say who asserted something, for what it may be used, that it is a test, or not sent yet
(https://terminology.hl7.org/CodeSystem-v3-ObservationValue, https://terminology.hl7.org/CodeSystem-v3-ActReason).
"""


def labels_of(meta: dict[str, Any]) -> tuple[str, ...]:
    """`system|code` of every security label and tag of a `meta`."""
    if "security" not in meta and "tag" not in meta:
        return ()
    found: dict[str, None] = {}
    for name in ("security", "tag"):
        for coding in meta.get(name, ()):
            label = token.label(coding)
            # The server alone says what is not released yet: nobody keeps a result from its patient by a label.
            if label is not None and not label.endswith(f"|{UNRELEASED_SYSTEM}"):
                found[bounded(label)] = None
    return tuple(found)


def hiding_labels(labels: Iterable[str], tokens: Collection[str]) -> tuple[str, ...]:
    """Those of a row's labels by which it is hidden from somebody, and so whatever is about it: no tags, and nothing
    that says who asserted it or for what it is.

    `tokens` are the row's `t`, or those of its parameters `_security` and `_tag` alone.
    """
    return tuple(
        label
        for label in labels
        if not label.endswith(_HIDES_NOTHING) and (f"_security|{label}" in tokens or f"_tag|{label}" not in tokens)
    )


def also_labelled(values: IndexValues, labels: Iterable[str]) -> IndexValues:
    """The same values of a resource that is hidden by these labels too."""
    found = tuple(dict.fromkeys((*values.labels, *labels)))
    return values if len(found) == len(values.labels) else structs.replace(values, labels=found)
