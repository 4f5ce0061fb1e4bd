"""What the reading interactions note for the audit log, as they do what they do.

https://profiles.ihe.net/ITI/BALP/content.html
"""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from fhir_server.core.trail import Accessed
from fhir_server.interactions.context import RequestContext
from fhir_server.store.mongo import Document
from fhir_server.store.rows import Row

_IS_PLAIN = re.compile(r"[A-Za-z0-9_.:=&-]*").fullmatch

OWNERS = ("owners",)
"""The row field that says whose records were seen."""


def is_audited(context: RequestContext) -> bool:
    """Whether anybody asks what was seen: without sign-in nobody does."""
    return context.sight.access is not None


def note_read(context: RequestContext, row: Row, interaction: str = "read", status: int = 200) -> None:
    """One version of one resource was read."""
    if is_audited(context):
        place = f"{row.type}/{row.id}" if interaction == "read" else f"{row.type}/{row.id}/_history/{row.version}"
        context.trail.note(Accessed("R", interaction, row.type, (place,), row.owners, status=status))


def note_history(context: RequestContext, interaction: str, type: str, rows: Sequence[Row]) -> None:
    """Versions were listed; `type` is empty for those of all types."""
    if is_audited(context):
        places = tuple(f"{row.type}/{row.id}/_history/{row.version}" for row in rows)
        context.trail.note(Accessed("R", interaction, type, places, _together(row.owners for row in rows)))


def note_search(
    context: RequestContext, path: str, type: str, query: str, places: Iterable[str], documents: Iterable[Document]
) -> None:
    """A search was answered with what is at these places, included resources among them: with these rows, as MongoDB
    gave them. `type` is empty for a search of several.
    """
    if is_audited(context):
        query = f"{path}?{query}" if query else path
        # A comprehension: a generator took 3 times as long.
        owners = tuple(sorted(set().union(*[each.get("owners", ()) for each in documents])))
        interaction = "search-type" if type else "search-system"
        context.trail.note(Accessed("E", interaction, type, tuple(dict.fromkeys(places)), owners, query))


def sent(pairs: Sequence[tuple[str, str]]) -> str:
    """The pairs as a query; most need no escaping, which takes 15 µs."""
    plain = "&".join([f"{name}={value}" for name, value in pairs])
    return plain if _IS_PLAIN(plain) and plain.count("&") < len(pairs) else urlencode(pairs)


def _together(owners: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(owner for each in owners for owner in each))
