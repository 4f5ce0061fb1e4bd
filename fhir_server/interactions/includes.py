"""`_include` and `_revinclude`: the resources that those of a page refer to, and those that refer to them.

https://hl7.org/fhir/R4/search.html#include
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from fhir_server.core import outcome
from fhir_server.core.reference import is_id
from fhir_server.definitions.capability import targets_of
from fhir_server.definitions.search_parameters import SearchParameter
from fhir_server.interactions.canonicals import is_canonical, named, naming
from fhir_server.interactions.narrow import narrow_if_granted
from fhir_server.interactions.reading import Reading
from fhir_server.search.index import URL_VERSION
from fhir_server.search.request import Clause, Ids, Include, SearchRequest, SortKey, Tokens
from fhir_server.store.search import SearchRow

MAX_INCLUDED = 5_000
"""Resources one page includes at most."""
_AT_ONCE = 1_000
"""Ids or tokens one query asks for."""

Typed = tuple[str, SearchRow]
Wanted = dict[str, dict[str, None]]
"""By type, what is asked for: ids, urls or tokens, in the order met."""


async def included(reading: Reading, request: SearchRequest, matches: Sequence[Typed]) -> list[Typed]:
    """The included resources with their types, each once, none of them a match of the page, in rounds of `:iterate`.

    What is not there, or none of the caller's, is left out. Raises FhirError 400 for more than MAX_INCLUDED.
    """
    if not request.includes or not matches:
        return []
    rounds = _Rounds(reading, request)
    rounds.seen = {(type, row.id) for type, row in matches}
    found: list[Typed] = []
    latest, includes = list(matches), request.includes
    while latest and includes:
        latest = await rounds.one(latest, includes, MAX_INCLUDED - len(found))
        found += latest
        includes = tuple(include for include in request.includes if include.iterate)
    return found


class _Rounds:
    """What the rounds of one page share; `seen` is what needs to be read no more."""

    def __init__(self, reading: Reading, request: SearchRequest) -> None:
        self.reading = reading
        self.set = request.parameter_set
        self.seen: set[tuple[str, str]] = set()

    async def one(self, rows: Sequence[Typed], includes: Sequence[Include], room: int) -> list[Typed]:
        """What `includes` add to `rows`, at most `room`."""
        ids, urls = self._named(rows, [each for each in includes if not each.reverse])
        naming = await self._naming(rows, [each for each in includes if each.reverse])
        if len(urls) > 1:
            existing = await self.reading.types()
            urls = {type: wanted for type, wanted in urls.items() if type in existing}
        found: list[Typed] = []
        for type, wanted in ids.items():
            await self._add(found, type, [Ids(part) for part in _parts(wanted)], room)
        for type, wanted in (*urls.items(), *naming.items()):
            await self._add(found, type, [_having(part) for part in _parts(wanted)], room)
        return found

    async def _add(self, found: list[Typed], type: str, conditions: Sequence[Clause | Ids], room: int) -> None:
        for condition in conditions:
            # An id finds its row; tokens are looked up in the order of their index.
            key = SortKey("_id") if isinstance(condition, Ids) else SortKey("_lastUpdated", descending=True)
            left = max(room - len(found), 0)
            asked = SearchRequest(type, (condition,), (key,), parameter_set=self.set)
            # What is there already counts too: the matches may come once more.
            limit = left + len(self.seen)
            narrowed = narrow_if_granted(self.reading.context, replace(asked, count=limit), "rs")
            if narrowed is None:
                # Nobody asked for this type by name in a way that would have to be refused: it is left out.
                return
            query = replace(self.reading.plan_now(narrowed), fields=("t", *self.reading.whose))
            for row in await self.reading.find(query):
                if (type, row.id) not in self.seen:
                    self.seen.add((type, row.id))
                    found.append((type, row))
            if len(found) > room:
                raise outcome.TOO_COSTLY(
                    f"The page would include more than {MAX_INCLUDED} resources. Ask for fewer matches with _count, or "
                    "name the parameter and the type to include.",
                    "_include",
                )

    def _named(self, rows: Sequence[Typed], includes: Sequence[Include]) -> tuple[Wanted, Wanted]:
        """The ids, and the tokens of the urls, that the rows' references name, by type."""
        ids: Wanted = {}
        urls: Wanted = {}
        if not includes:
            return ids, urls
        followed: dict[str, Mapping[str, frozenset[str]]] = {}
        for type, row in rows:
            codes = followed.get(type)
            if codes is None:
                codes = followed[type] = dict(self._followed(type, includes))
            if codes:
                for code, value in _references(row, codes):
                    self._want(ids, urls, type, code, value, codes[code])
        return ids, urls

    def _followed(self, type: str, includes: Sequence[Include]) -> Iterator[tuple[str, frozenset[str]]]:
        """The reference parameters of a type that the includes follow, with the types they may lead to."""
        for code, parameter in self.set.of(type).items():
            if parameter.type != "reference":
                continue
            allowed: set[str] = set()
            for each in includes:
                if each.source in ("*", type) and each.parameter in ("*", code):
                    allowed.update(targets_of(parameter) if each.target is None else (each.target,))
            if allowed:
                yield code, frozenset(allowed)

    def _want(self, ids: Wanted, urls: Wanted, type: str, code: str, value: str, allowed: frozenset[str]) -> None:
        target, slash, id = value.partition("/")
        if slash and target in allowed and is_id(id):
            if (target, id) not in self.seen:
                ids.setdefault(target, {})[id] = None
        elif ":" in value and is_canonical(type, code, self.set):
            token = named(value)
            if token is not None:
                for each in allowed:
                    if "url" in self.set.of(each):
                        urls.setdefault(each, {})[token] = None

    async def _naming(self, rows: Sequence[Typed], includes: Sequence[Include]) -> Wanted:
        """The tokens by which resources refer to the rows, by the type of those resources."""
        wanted: Wanted = {}
        for include in includes:
            for source in sorted(await self.reading.types()) if include.source == "*" else (include.source,):
                for code, parameter in self.set.of(source).items():
                    if include.parameter in ("*", code) and parameter.type == "reference":
                        tokens = self._tokens_naming(rows, source, parameter, include.target)
                        if tokens:
                            wanted.setdefault(source, {}).update(dict.fromkeys(tokens))
        return wanted

    def _tokens_naming(
        self, rows: Sequence[Typed], source: str, parameter: SearchParameter, target: str | None
    ) -> Iterable[str]:
        targets = frozenset(targets_of(parameter)) if target is None else frozenset((target,))
        code, by_url = parameter.code, is_canonical(source, parameter.code, self.set)
        tokens: list[str] = []
        for type, row in rows:
            if type in targets:
                tokens.append(f"{code}|{type}/{row.id}")
                if by_url:
                    own = (each.removeprefix(URL_VERSION) for each in _starting(row, URL_VERSION))
                    tokens += [f"{code}|{text}" for each in own for text in naming(each)]
        return tokens


def _references(row: SearchRow, codes: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, str]]:
    """Parameter and value of the row's references, read from its tokens: its body stays as it is."""
    for token in row.stored.get("t", ()):
        code, mark, value = token.partition("|")
        if mark and code in codes:
            yield code, value


def _starting(row: SearchRow, start: str) -> Iterator[str]:
    return (token for token in row.stored.get("t", ()) if token.startswith(start))


def _parts(wanted: Iterable[str]) -> Iterator[tuple[str, ...]]:
    everything = tuple(wanted)
    for start in range(0, len(everything), _AT_ONCE):
        yield everything[start : start + _AT_ONCE]


def _having(tokens: tuple[str, ...]) -> Clause:
    return Clause(tokens[0].partition("|")[0], (Tokens(tokens),))
