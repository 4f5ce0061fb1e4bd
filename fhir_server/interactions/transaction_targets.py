"""What each writing entry of a transaction comes to act on: an id, an existing match, or nothing.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.resource import Resource
from fhir_server.interactions.bundle_entry import Entry, in_entry
from fhir_server.interactions.conditional import Condition, one_match
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.patch import no_match

_VERB_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2}


@dataclass(frozen=True, slots=True)
class Target:
    """The id an entry acts on (None: a conditional delete that found nothing), and whether it is that of a match.

    `condition` is None for an entry that names its id or creates without a condition.
    """

    entry: Entry
    id: str | None
    matched: bool = False
    condition: Condition | None = None

    @property
    def local(self) -> str:
        """`Patient/p1`."""
        return f"{self.entry.type}/{self.id}"

    @property
    def writes(self) -> bool:
        """Whether anything is to be stored: not where If-None-Exist or a conditional delete found it done already."""
        return self.id is not None and not (self.entry.method == "POST" and self.matched)


async def targets_of(
    context: RequestContext, writing: Sequence[Entry], admitted: Mapping[int, Resource], fresh: Mapping[int, str]
) -> list[Target]:
    """The targets in the order of the rules: deletes, creates, updates and patches. `fresh` has a new id for each
    position, `admitted` the resource of each create and update.

    Raises FhirError 412 where a condition matches several, 404 where that of a patch matches none, 400 where two
    entries write the same resource.
    """
    # Deletes first, so that a condition does not find what the same Bundle deletes.
    deletes = [await _target(context, entry, None, fresh, frozenset()) for entry in writing if entry.method == "DELETE"]
    gone = deleted_by(deletes)
    others = [
        await _target(context, entry, admitted.get(entry.position, {}).get("id"), fresh, gone)
        for entry in writing
        if entry.method != "DELETE"
    ]
    targets = sorted(deletes + others, key=lambda target: _VERB_ORDER[target.entry.method])
    _refuse_duplicates(targets)
    return targets


def deleted_by(targets: Sequence[Target]) -> frozenset[str]:
    """The resources (`Patient/p1`) that the Bundle deletes."""
    return frozenset(target.local for target in targets if target.entry.method == "DELETE" and target.id is not None)


async def _target(
    context: RequestContext, entry: Entry, sent_id: str | None, fresh: Mapping[int, str], gone: frozenset[str]
) -> Target:
    criteria = entry.conditions.if_none_exist if entry.method == "POST" else None if entry.id else entry.query
    if criteria is None:
        return Target(entry, entry.id or fresh[entry.position])
    try:
        condition = Condition.parse(context, entry.type, criteria, "The condition")
        match = await one_match(context, condition, gone)
        if match is not None:
            if entry.method == "PUT" and sent_id not in (None, match.id):
                raise outcome.ID_MISMATCH(
                    f"The condition matches {entry.type}/{match.id}, but the resource's id differs."
                )
            return Target(entry, match.id, True, condition)
        if entry.method == "PATCH":
            raise no_match(entry.type)
    except FhirError as error:
        raise in_entry(error, entry.position) from None
    if entry.method == "DELETE":
        return Target(entry, None, False, condition)
    return Target(entry, (sent_id if entry.method == "PUT" else None) or fresh[entry.position], False, condition)


def _refuse_duplicates(targets: Sequence[Target]) -> None:
    seen: dict[str, int] = {}
    for target in targets:
        names = [target.local] if target.writes else []
        if target.condition is not None and target.entry.method != "DELETE" and not target.matched:
            names.append(f"{target.entry.type}?{target.condition.criteria}")
        for name in names:
            if name in seen:
                error = outcome.DUPLICATE_ENTRY(f"It writes the same {target.entry.type} as entry {seen[name]}.")
                raise in_entry(error, target.entry.position)
            seen[name] = target.entry.position
