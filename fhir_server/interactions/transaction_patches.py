"""The patches of a transaction, each applied to the version that is current before the transaction writes.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from fhir_server.core import outcome
from fhir_server.core.codec import encode
from fhir_server.core.outcome import FhirError
from fhir_server.formats.patched import Change
from fhir_server.interactions import admission
from fhir_server.interactions.bundle_entry import Entry, in_entry
from fhir_server.interactions.bundle_references import references
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.off_loop import as_large, computed
from fhir_server.interactions.patch import Patched, Source, changed, in_turn, patchable, patched_reach
from fhir_server.interactions.transaction_targets import Target
from fhir_server.store import resources
from fhir_server.store.rows import Row

MAX_PATCHED_BYTES = 16 * 1024 * 1024
"""What all resources that one transaction patches may hold, before it and after it: they are in memory together."""
_READ_AT_ONCE = 20


def turns_of(context: RequestContext, writing: Sequence[Entry]) -> AbstractAsyncContextManager[float]:
    """The turn of a transaction among all that patch one of its resources; gives when to give up."""
    return in_turn(context, (f"{each.type}/{each.id}" for each in writing if each.method == "PATCH" and each.id))


async def patched_by(
    context: RequestContext, targets: Sequence[Target], changes: Mapping[int, Change]
) -> dict[int, Patched]:
    """What becomes of the resource of each patch, by the position of its entry.

    Raises FhirError as a patch does, naming the entry; 413 past MAX_PATCHED_BYTES.
    """
    patches = [target for target in targets if target.entry.position in changes and target.id is not None]
    if not patches:
        return {}
    rows = await _rows(context, patches)
    sources: dict[int, Source] = {}
    for target in patches:
        entry, id = target.entry, target.id or ""
        try:
            wanted = admission.matched_version(entry.conditions.if_match)
            sources[entry.position] = patchable(entry.type, id, rows.get((entry.type, id)), wanted)
        except FhirError as error:
            raise in_entry(error, entry.position) from None
    return await computed(as_large(context), _changed, context, sources, changes)


async def _rows(context: RequestContext, patches: Sequence[Target]) -> dict[tuple[str, str], Row]:
    ids: dict[str, list[str]] = {}
    for target in patches:
        ids.setdefault(target.entry.type, []).append(target.id or "")
    rows: dict[tuple[str, str], Row] = {}
    size = 0
    for type, wanted in ids.items():
        reach = patched_reach(context, type)
        for some in (wanted[start : start + _READ_AT_ONCE] for start in range(0, len(wanted), _READ_AT_ONCE)):
            found = await resources.read_many(context.server.database, type, some, reach)
            size += sum(len(row.body or b"") for row in found.values())
            _refuse_too_much(size)
            rows |= {(type, id): row for id, row in found.items()}
    return rows


def _refuse_too_much(size: int) -> None:
    if size > MAX_PATCHED_BYTES:
        raise outcome.TOO_LARGE(
            f"The resources that the Bundle patches hold more than {MAX_PATCHED_BYTES} bytes. Send it in parts."
        )


def _changed(
    context: RequestContext, sources: Mapping[int, Source], changes: Mapping[int, Change]
) -> dict[int, Patched]:
    patched: dict[int, Patched] = {}
    size = 0
    for position, source in sources.items():
        try:
            patched[position] = changed(context, source, changes[position])
            size += len(encode(patched[position].resource))
            _refuse_too_much(size)
        except FhirError as error:
            raise in_entry(error, position) from None
    return patched


def referred_anew(patched: Patched) -> frozenset[str]:
    """The references that a patch has brought."""
    return frozenset(references(patched.resource)) - frozenset(references(patched.before))


def links_in(patched: Patched, links: dict[str, str]) -> Mapping[str, str]:
    """The links of the Bundle, but what the resource referred to before means what it meant."""
    if not links:
        return links
    before = (text.partition("#")[0] for text in references(patched.before))
    return ChainMap({text: text for text in before}, links)
