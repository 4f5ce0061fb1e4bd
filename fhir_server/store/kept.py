"""What a write must leave of the row that it displaces, looked at inside its transaction.

https://hl7.org/fhir/R4/resource.html#Meta, https://hl7.org/fhir/R4/security-labels.html
"""

from collections.abc import Iterable

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.write_plan import Delete, Keeps, Put
from fhir_server.definitions.owners import owner_rule
from fhir_server.definitions.unreleased import UNRELEASED
from fhir_server.store.mongo import Document
from fhir_server.store.rows import same_value


def refuse_change(document: Put | Delete, current: Document) -> None:
    """Raise FhirError 403 where `current`, a row read with KEPT_FIELDS, is another agency's, is in somebody else's
    record too, or would lose what it keeps; 422 for what patients do not change of their Patient.
    """
    if document.agency is not None and current["source"] not in (None, document.agency):
        raise outcome.OTHER_AGENCY(
            f"{document.type}/{document.id} came from another agency, and only a client of that one changes it.",
            f"{document.type}.meta.source",
        ).at(f"{document.type}/{document.id}")
    if document.owners is not None and not document.owners.issuperset(current["owners"]):
        raise outcome.FORBIDDEN_CONTENT(
            f"{document.type}/{document.id} is in the record of somebody else too, whom you may not write for."
        ).at(f"{document.type}/{document.id}")
    if isinstance(document, Put) and document.keeps is not None:
        name = _lost(document, document.keeps, current)
        if name is not None:
            raise document.keeps.refusal(document.type, name).at(f"{document.type}/{document.id}")


def _lost(put: Put, keeps: Keeps, current: Document) -> str | None:
    """The name of the first element that would not be kept."""
    if keeps.source and current["source"] != put.index.source:
        return "meta.source"
    if "deleted" in current:
        return None
    # What the server says of a draft goes as it is sent.
    before, after = _given(current["labels"]), _given(put.index.labels)
    if (keeps.all_labels and before != after) or (before & keeps.labels) - after:
        return "meta.security"
    if keeps.owners and not set(current["owners"]).issubset(put.index.owners):
        return owner_rule(put.type).paths[0].partition(".")[0]
    if keeps.but_for is None:
        return None
    stored = decode(current["body"])
    kept = [name for name in {**stored, **put.resource} if name not in keeps.but_for and name not in _STAMPED]
    return next((name for name in kept if not same_value(stored.get(name), put.resource.get(name))), None)


def _given(labels: Iterable[str]) -> frozenset[str]:
    return frozenset(each for each in labels if each not in UNRELEASED.values())


_STAMPED = frozenset({"id", "meta"})
