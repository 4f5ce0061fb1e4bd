"""search on one type, in a compartment and of the whole system: its first page and every next one.

https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

from msgspec import structs

from fhir_server.core import outcome
from fhir_server.core.instant import now
from fhir_server.core.outcome import FhirError, Issue
from fhir_server.interactions import audit_search
from fhir_server.interactions.accesses import note_search, sent
from fhir_server.interactions.compartment_search import Compartment, checked, within
from fhir_server.interactions.contained import contained_page
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.explanation import explained
from fhir_server.interactions.includes import included
from fhir_server.interactions.joins import joined_count, joined_page
from fhir_server.interactions.merging import Part, merged_page
from fhir_server.interactions.narrow import narrow
from fhir_server.interactions.prepared import Prepared, asked_before, keep
from fhir_server.interactions.query import refuse_parameters
from fhir_server.interactions.reading import Page, Reading, place_of
from fhir_server.interactions.resolution import PLAIN, ordered, resolve
from fhir_server.interactions.score import asked_words, score
from fhir_server.interactions.searchset import NO_ENTRIES, Entries, SearchPage, Shown, entries_of, query_of, searchset
from fhir_server.interactions.summary import cut
from fhir_server.interactions.system_search import containing_parts, parse_several, parts_of
from fhir_server.interactions.transition import no_records
from fhir_server.interactions.withheld import refuse_asking
from fhir_server.observability import Phases
from fhir_server.policy import may_look_behind
from fhir_server.search.page import CURSOR_PARAMETER, PageState, Position, seal, unseal
from fhir_server.search.parse import parse
from fhir_server.search.query import Query
from fhir_server.search.request import SearchRequest
from fhir_server.store.mongo import Document
from fhir_server.store.sampling import estimate
from fhir_server.store.search import SnapshotGone, row_of

Pairs = Sequence[tuple[str, str]]


async def search(context: RequestContext, type: str, pairs: Pairs) -> Answer:
    """200 with a searchset of one page; an empty `type` searches several types.

    Raises FhirError 400 with every parameter, modifier and value that cannot be used, and for a search that would
    cost too much.
    """
    if audit_search.is_kept(context, type):
        return await audit_search.search(context, pairs)
    return await _search(context, type, None, pairs)


async def search_compartment(context: RequestContext, of: str, id: str, type: str, pairs: Pairs) -> Answer:
    """200 with a searchset of what is in the compartment `of/id`; an empty `type` or `*` stands for all of its types.

    Raises FhirError as `search` does, and 404 where R4 has no such compartment or the type is never in it.
    """
    type = "" if type == "*" else type
    compartment = checked(of, id, type)
    if audit_search.is_kept(context, type):
        return await audit_search.search(context, pairs, (of, id))
    return await _search(context, type, compartment, pairs)


def cursor_of(context: RequestContext, pairs: Pairs) -> str | None:
    """The cursor of a page link, None in a first request.

    Raises FhirError 400 where anything that would change the search stands beside it, or a second cursor.
    """
    cursors = [value for name, value in pairs if name == CURSOR_PARAMETER]
    if not cursors:
        return None
    refuse_parameters(context, pairs, taken=(CURSOR_PARAMETER,))
    if len(cursors) > 1:
        raise outcome.BAD_CURSOR(f"{CURSOR_PARAMETER} is given more than once.", CURSOR_PARAMETER)
    return cursors[0]


async def _search(context: RequestContext, type: str, compartment: Compartment | None, pairs: Pairs) -> Answer:
    path = type if compartment is None else f"{compartment.path}/{type or '*'}"
    phases = Phases("search-type" if type and compartment is None else "search-system")
    cursor = cursor_of(context, pairs)
    if cursor is None:
        state = PageState(tuple(pairs), now(), None, context.lenient)
    else:
        server = context.server
        state = unseal(server.cursor_key, cursor, path, context.sight.caller, now(), server.cursor_seconds)
    lenient = context.lenient or state.lenient
    known = asked_before(context, type, state.pairs, lenient) if _is_first(type, compartment, state) else None
    if known is not None:
        phases.done("parse")
        return await _answered(_Run(context, path, compartment, known.request, state, phases, known))
    if type:
        request = parse(type, state.pairs, lenient, context.own_bases, context.parameter_set)
    else:
        request = parse_several(context, state.pairs, lenient, compartment)
    refuse_asking(context, request.conditions)
    phases.done("parse")
    return await _answered(_Run(context, path, compartment, request, state, phases, None))


def _is_first(type: str, compartment: Compartment | None, state: PageState) -> bool:
    return type != "" and compartment is None and state.after is None


async def _answered(run: "_Run") -> Answer:
    try:
        return await run.answer()
    except SnapshotGone:
        # The page link has outlived MongoDB's history: rows changed since the first page stay out of what is left.
        run.state = structs.replace(run.state, snapshot=None)
        return await run.answer()


class _Run:
    """One page on its way from the request to the answer. `known` is the search as it was prepared before, if so."""

    def __init__(
        self,
        context: RequestContext,
        path: str,
        compartment: Compartment | None,
        request: SearchRequest,
        state: PageState,
        phases: Phases,
        known: Prepared | None,
    ) -> None:
        self.context = context
        self.path = path
        self.compartment = compartment
        self.request = request
        self.state = state
        self.phases = phases
        self.known = known
        self.words = asked_words(request.conditions) if known is None else known.words
        self.began = monotonic()

    async def answer(self) -> Answer:
        if self.known is not None:
            part = Part(self.request.type, self.known.resolved)
            return await self.read(self.reading(), [part], [self.known.query], is_one=True)
        state, request = self.state, self.request
        if request.explain and not may_look_behind(self.context.sight):
            raise outcome.FORBIDDEN_EXPLAIN("__explain counts rows of everybody's; leave it out.", "__explain")
        reading = self.reading()
        parts = await self.parts(reading)
        self.phases.done("narrow")
        if parts and parts[0].request.count < request.count:
            request = self.request = _resized(request, parts[0].request.count)
        is_one = len(parts) == 1 and _is_plain(request)
        queries = [reading.plan(part.request, state.after if is_one else None, part.rows) for part in parts]
        if request.explain:
            return await explained(reading, request, parts, queries)
        self.phases.done("plan")
        if is_one and _is_first(self.path, self.compartment, state):
            lenient = self.context.lenient or state.lenient
            texts = query_of(request), sent(state.pairs)
            prepared = Prepared(request, parts[0].resolved, queries[0], *texts, self.words)
            keep(self.context, request.type, state.pairs, lenient, prepared)
        return await self.read(reading, parts, queries, is_one)

    async def read(self, reading: Reading, parts: Sequence[Part], queries: Sequence[Query], is_one: bool) -> Answer:
        """The answer to what is planned; `is_one` says that it is the rows of one query."""
        state, request = self.state, self.request
        if request.count_only:
            return await self.counted(reading, parts, queries)
        parts, queries = await _advised(reading, parts, queries)
        if is_one and self.is_bare(parts[0]):
            return await self.bare(reading, parts[0], queries[0])
        if request.contained != "false" and not request.container:
            page, matches = await contained_page(reading, request, parts, state.after)
        else:
            page = await (self.page(reading, parts[0], queries[0]) if is_one else self.merged(reading, parts))
            matches = self.matches(page)
        total, warnings = await self.total(reading, parts, None if page.after is not None else len(matches))
        others = await included(reading, request, page.rows)
        self.phases.done("store")
        rows = (*page.rows, *others)
        self.note([f"{type}/{row.id}" for type, row in rows], [row.stored for _, row in rows])
        matches = await cut(request, matches, request.elements)
        follow = await cut(request, [Shown(f"{type}/{row.id}", row.body) for type, row in others], ())
        cursor = await self.cursor(reading, page.after)
        warnings += await self.no_records(len(matches))
        return self.drawn(entries_of(matches), total, cursor, entries_of(follow), warnings)

    async def no_records(self, found: int) -> tuple[Issue, ...]:
        """What is said besides where nothing was found, and nothing can be there yet."""
        if found or self.state.after is not None:
            return ()
        return await no_records(self.context, self.request.type)

    def is_bare(self, part: Part) -> bool:
        """Whether the page is nothing but rows of one query, shown whole."""
        request = self.request
        shapes = request.includes or self.words or request.elements or request.summary != "false"
        return not shapes and not part.resolved.joins

    async def bare(self, reading: Reading, part: Part, query: Query) -> Answer:
        """The answer where the page is bare, as most are: by columns, without a value for each row."""
        count, whose = part.request.count, reading.whose
        found = await reading.documents(structs.replace(query, fields=whose) if whose else query)
        documents = found[:count]
        after = place_of(row_of(documents[-1], query)) if len(found) > count else None
        places = [f"{part.rows}/{each['_id']}" for each in documents]
        total, warnings = await self.total(reading, [part], None if after is not None else len(places))
        self.phases.done("store")
        self.note(places, documents)
        warnings += await self.no_records(len(places))
        entries = Entries(places, [each["body"] for each in documents])
        return self.drawn(entries, total, await self.cursor(reading, after), warnings=warnings)

    def reading(self) -> Reading:
        state = self.state
        return Reading(
            self.context,
            state.ceiling,
            state.snapshot,
            ceiling=state.ceiling if state.after is not None and state.snapshot is None else None,
            began=self.began,
            existing=state.types,
            is_first=state.after is None,
            lookups=[] if self.request.explain else None,
        )

    async def counted(self, reading: Reading, parts: Sequence[Part], queries: Sequence[Query]) -> Answer:
        """The answer to a search for how many there are."""
        request = self.request
        if not request.container:
            raise outcome.NOT_SUPPORTED(
                "Contained resources are not counted by themselves. Leave out _containedType.", "_containedType"
            )
        total: int | None
        warnings: tuple[Issue, ...] = ()
        if request.total == "estimate":
            total, warnings = await _estimate(reading, parts)
        else:
            parts, _ = await _advised(reading, parts, queries)
            total = await _count(reading, parts)
        self.phases.done("store")
        self.note((), ())
        warnings += await self.no_records(total or 0)
        return self.drawn(Entries(), total, None, warnings=warnings)

    async def parts(self, reading: Reading) -> list[Part]:
        """The searches of each type, narrowed and resolved."""
        request = self.request
        if not request.type:
            return await parts_of(reading, request, self.compartment)
        if self.compartment is not None:
            request = within(self.compartment, request)
        if request.contained != "false":
            return await containing_parts(reading, request)
        return [Part(request.type, await resolve(reading, ordered(reading, narrow(self.context, request))))]

    async def page(self, reading: Reading, part: Part, query: Query) -> Page:
        """The page of a search of one type."""
        fields = (*self.fields(), *reading.whose)
        if part.resolved.joins:
            page = await joined_page(reading, part.resolved, self.state.after, part.hint)
            return await reading.filled(page, self.fields())
        found = await reading.find(structs.replace(query, fields=fields) if fields else query)
        rows = found[: part.request.count]
        end = place_of(rows[-1]) if len(found) > len(rows) else None
        return Page([(part.rows, row) for row in rows], end)

    async def merged(self, reading: Reading, parts: Sequence[Part]) -> Page:
        """The page of a search over the rows of several types."""
        if not parts:
            return Page((), None)
        return await merged_page(reading, parts, self.state.after, self.fields())

    def fields(self) -> tuple[str, ...]:
        """The row fields read besides the bodies: tokens for includes, words for scores."""
        tokens = ("t",) if self.request.includes else ()
        return (*tokens, "w") if self.words else tokens

    async def total(
        self, reading: Reading, parts: Sequence[Part], whole: int | None
    ) -> tuple[int | None, tuple[Issue, ...]]:
        """How many match in all: counted or estimated where it is asked for, given where the page is all there is.

        `whole` is how many the page shows where none follows.
        """
        asked = self.request.total
        if asked == "none" or (asked is None and (whole is None or self.state.after is not None)):
            return None, ()
        if whole is not None and self.state.after is None:
            return whole, ()
        if not self.request.container:
            text = "_total counts resources that are stored by themselves, not what they contain; it was left out."
            return None, (outcome.NOT_SUPPORTED.issue(text, "_total", "warning"),)
        if asked == "accurate":
            return await _count(reading, parts), ()
        return await _estimate(reading, parts)

    def matches(self, page: Page) -> list[Shown]:
        if self.words:
            return [Shown(f"{type}/{row.id}", row.body, score(self.words, row)) for type, row in page.rows]
        return [Shown(f"{type}/{row.id}", row.body) for type, row in page.rows]

    async def cursor(self, reading: Reading, after: Position | None) -> str | None:
        if after is None:
            return None
        if self.state.after is None and _reads_other_types(self.request):
            await reading.types()
        state = structs.replace(self.state, after=after, snapshot=reading.at, types=reading.existing)
        return seal(self.context.server.cursor_key, state, self.path, self.context.sight.caller, now())

    def note(self, places: Sequence[str], documents: Sequence[Document]) -> None:
        """Say for the audit log what was asked and what is answered."""
        query = sent(self.state.pairs) if self.known is None else self.known.sent
        note_search(self.context, self.path, self.request.type, query, places, documents)

    def drawn(
        self,
        matches: Entries,
        total: int | None,
        cursor: str | None,
        follow: Entries = NO_ENTRIES,
        warnings: tuple[Issue, ...] = (),
    ) -> Answer:
        asked = None if self.known is None else self.known.asked
        page = SearchPage(self.path, self.request, matches, total, cursor, follow, warnings, asked)
        answer = Answer(200, searchset(self.context, page))
        self.phases.done("bundle")
        return answer


async def _advised(reading: Reading, parts: Sequence[Part], queries: Sequence[Query]) -> tuple[list[Part], list[Query]]:
    """The parts and their queries as they are best run. Raises FhirError 400 where one would read too much."""
    advised = [await reading.advised(part.request, query) for part, query in zip(parts, queries, strict=True)]
    hinted = [
        part if better is query else structs.replace(part, hint=better.hint)
        for part, query, better in zip(parts, queries, advised, strict=True)
    ]
    return hinted, advised


def _resized(request: SearchRequest, count: int) -> SearchRequest:
    """The request with the page size that it is given, in its self link too."""
    applied = tuple((name, str(count) if name == "_count" else value) for name, value in request.applied)
    return structs.replace(request, count=count, applied=applied)


def _reads_other_types(request: SearchRequest) -> bool:
    """Whether later pages may read types that this one did not."""
    return bool(request.includes) or not all(isinstance(each, PLAIN) for each in request.conditions)


def _is_plain(request: SearchRequest) -> bool:
    return request.type != "" and request.contained == "false"


async def _count(reading: Reading, parts: Sequence[Part]) -> int:
    total = 0
    for part in parts:
        if part.resolved.joins:
            total += await joined_count(reading, part.resolved, part.hint)
        else:
            total += await reading.count(reading.plan(part.request, container=part.rows))
    return total


async def _estimate(reading: Reading, parts: Sequence[Part]) -> tuple[int | None, tuple[Issue, ...]]:
    database, total = reading.context.server.database, 0
    for part in parts:
        if part.resolved.joins:
            try:
                total += await joined_count(reading, part.resolved, part.hint)
            except FhirError as error:
                return None, tuple(replace(issue, severity="warning") for issue in error.issues)
        else:
            query = reading.plan(part.request, container=part.rows)
            total += await estimate(database, part.rows, query.filter)
    return total, ()
