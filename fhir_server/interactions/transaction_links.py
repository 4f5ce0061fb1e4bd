"""Which text in a transaction stands for which resource: the fullUrls of its entries and its conditional references.

https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/bundle.html#bundle-unique
"""

from collections.abc import Mapping, Sequence

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.interactions.bundle_entry import in_entry
from fhir_server.interactions.bundle_references import conditional_reference
from fhir_server.interactions.conditional import Condition, one_match
from fhir_server.interactions.context import RequestContext
from fhir_server.interactions.transaction_targets import Target, deleted_by


async def links_of(
    context: RequestContext, targets: Sequence[Target], referred: Mapping[int, frozenset[str]]
) -> dict[str, str]:
    """Each fullUrl and each conditional reference with the resource it means (`Patient/p1`).

    `referred` are the references each entry's resource holds, by position. Raises FhirError 400 for a fullUrl that two
    entries have or that is not absolute, and for a condition that matches nothing the caller may see; 403 where the
    caller may not search that type; 412 where it matches several.
    """
    links = _full_urls(targets)
    gone = deleted_by(targets)
    for position, texts in referred.items():
        for text in texts:
            wanted = conditional_reference(text)
            if wanted is None or text in links:
                continue
            try:
                links[text] = await _one_target(context, *wanted, gone)
            except FhirError as error:
                raise in_entry(error, position) from None
    return links


def _full_urls(targets: Sequence[Target]) -> dict[str, str]:
    links: dict[str, str] = {}
    for target in targets:
        full_url = target.entry.full_url
        if full_url is None or target.id is None or target.entry.method == "DELETE":
            continue
        if not full_url.startswith("urn:") and "://" not in full_url:
            error = outcome.BAD_BUNDLE("Its fullUrl is not absolute; write urn:uuid:... or an http URL.")
            raise in_entry(error, target.entry.position)
        if links.setdefault(full_url, target.local) != target.local:
            error = outcome.BAD_BUNDLE("Another entry has the same fullUrl, so a reference to it could mean either.")
            raise in_entry(error, target.entry.position)
    return links


async def _one_target(context: RequestContext, type: str, criteria: str, gone: frozenset[str]) -> str:
    condition = Condition.parse(context, type, criteria, "The reference", is_reference=True)
    match = await one_match(context, condition, gone)
    if match is None:
        raise outcome.UNRESOLVED_REFERENCE(f"A conditional reference to {type} matches nothing on this server.")
    return f"{type}/{match.id}"
