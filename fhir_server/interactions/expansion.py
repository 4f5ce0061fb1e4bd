"""What `:in`, `:not-in`, `:above` and `:below` stand for, found in the ValueSets, CodeSystems and references kept here.

https://hl7.org/fhir/R4/search.html#token, https://hl7.org/fhir/R4/search.html#recursive,
https://hl7.org/fhir/R4/valueset.html#composition
"""

import asyncio
from collections.abc import Iterable

from fhir_server.core import outcome
from fhir_server.core.codec import decode
from fhir_server.core.outcome import FhirError
from fhir_server.core.reference import parse_reference
from fhir_server.core.resource import Resource
from fhir_server.definitions.value_sets import required_value_set
from fhir_server.interactions.hierarchy import CodeTree, code_tree, references_around
from fhir_server.interactions.narrow import narrow
from fhir_server.interactions.off_loop import LARGE_BODY_BYTES
from fhir_server.interactions.reading import Reading
from fhir_server.search.escaping import split_unescaped, unescape
from fhir_server.search.index import parameter_leaves
from fhir_server.search.parameter_types import token
from fhir_server.search.request import Clause, Condition, Expanded, Ids, NotThis, SearchRequest, SortKey, Tokens
from fhir_server.store.search import SearchRow

MAX_CODES = 5_000
"""Codes one value set may stand for in a search."""
MAX_IMPORTS = 20
"""ValueSets that one may import, directly and further on."""

Codes = dict[tuple[str, str], None]
"""System and code, in the order found."""


async def expanded(reading: Reading, request: SearchRequest, condition: Expanded) -> Condition:
    """The condition as tokens. Raises FhirError 400 naming what is not here, cannot be expanded, or is too large."""
    parameter = request.parameter_set.of(request.type)[condition.parameter]
    tokens: dict[str, None] = {}
    if parameter.type == "reference":
        for text in condition.texts:
            tokens |= dict.fromkeys(await references_around(reading, request, condition, unescape(text)))
        return Clause(condition.parameter, (Tokens(tuple(tokens)),)) if tokens else Ids(())
    expansion = Expansion(reading, condition)
    codes: Codes = {}
    for text in condition.texts:
        codes |= await (expansion.value_set(text) if condition.modifier in ("in", "not-in") else expansion.around(text))
        if len(codes) > MAX_CODES:
            raise expansion.too_many()
    leaves = parameter_leaves(request.type, condition.parameter, request.parameter_set)
    for system, code in codes:
        written = f"{_escaped(system)}|{_escaped(code)}"
        tokens |= dict.fromkeys(token.read_value(condition.parameter, leaves, written).tokens)
    negated = condition.modifier == "not-in"
    if not tokens:
        # No code is in an empty set: none matches, and with not-in every resource.
        return NotThis(Ids(())) if negated else Ids(())
    return Clause(condition.parameter, (Tokens(tuple(tokens)),), negated)


class Expansion:
    """The expansion of one condition: what was read for it is read once, and an import that leads back is seen."""

    def __init__(self, reading: Reading, condition: Expanded) -> None:
        self.reading = reading
        self.name = condition.name
        self.modifier = condition.modifier
        self._trees: dict[str, CodeTree] = {}
        self._imports = 0

    async def value_set(self, text: str) -> Codes:
        """The codes of a value set named by canonical URL or by where it is kept (`ValueSet/id`)."""
        named = unescape(text)
        reference = parse_reference(named)
        is_own = reference is not None and reference.base in (None, *self.reading.context.own_bases)
        if reference is not None and is_own and reference.type == "ValueSet":
            return await self._composed(await self._by_id(reference.id), ())
        return await self._by_url(named, ())

    async def around(self, text: str) -> Codes:
        """The code and all above or below it in its code system."""
        parts = [unescape(part) for part in split_unescaped(text, "|")]
        if len(parts) != 2 or not all(parts):
            raise self._refused("needs the code system too: write system|code")
        system, code = parts
        tree = await self._tree(system)
        found = tree.above(code) if self.modifier == "above" else tree.below(code)
        return {(system, each): None for each in found}

    def too_many(self) -> FhirError:
        return outcome.TOO_COSTLY(
            f"{self.name} stands for more than {MAX_CODES} codes. Name a smaller value set.", self.name
        )

    async def _by_url(self, canonical: str, importing: tuple[str, ...]) -> Codes:
        if canonical in importing:
            raise self._refused("names a value set that imports itself")
        row = await self._row("ValueSet", canonical)
        if row is not None:
            return await self._composed(await _decoded(row), (*importing, canonical))
        required = required_value_set(canonical)
        if required is None:
            raise self._refused(f"needs the ValueSet {_shown(canonical)}, which is not here; create it first")
        return {(system, code): None for system, codes in required.systems.items() for code in sorted(codes)}

    async def _by_id(self, id: str) -> Resource:
        row = await self._first(SearchRequest("ValueSet", (Ids((id,)),), count=1))
        if row is None:
            raise self._refused(f"needs ValueSet/{id}, which is not here; create it first")
        return await _decoded(row)

    async def _composed(self, value_set: Resource, importing: tuple[str, ...]) -> Codes:
        compose = value_set.get("compose")
        if compose is None:
            if "expansion" in value_set:
                return self._contained(value_set["expansion"])
            raise self._refused(f"names a value set without compose or expansion: {_shown(value_set.get('url', ''))}")
        codes: Codes = {}
        for include in compose.get("include", ()):
            codes |= await self._part(include, importing)
            if len(codes) > MAX_CODES:
                raise self.too_many()
        for exclude in compose.get("exclude", ()):
            for each in await self._part(exclude, importing):
                codes.pop(each, None)
        return codes

    async def _part(self, part: Resource, importing: tuple[str, ...]) -> Codes:
        """One include or exclude: its codes that are in every value set it imports."""
        found: Codes | None = None
        if "system" in part:
            codes = await self._of_system(part)
            found = {(part["system"], code): None for code in codes}
        for canonical in part.get("valueSet", ()):
            self._imports += 1
            if self._imports > MAX_IMPORTS:
                raise self._refused(f"names a value set that imports more than {MAX_IMPORTS} others")
            imported = await self._by_url(canonical, importing)
            found = imported if found is None else {each: None for each in found if each in imported}
        return found or {}

    async def _of_system(self, part: Resource) -> Iterable[str]:
        if "concept" in part:
            return [concept["code"] for concept in part["concept"] if "code" in concept]
        version = f"|{part['version']}" if "version" in part else ""
        tree = await self._tree(part["system"] + version)
        codes: list[str] = list(tree.codes)
        for each in part.get("filter", ()):
            accepted = tree.filtered(each.get("property", ""), each.get("op", ""), each.get("value", ""))
            if accepted is None:
                raise self._refused(
                    f"names a value set with a filter that is not supported ({_shown(each.get('property', ''))} "
                    f"{_shown(each.get('op', ''))}); list its codes, or use is-a, descendent-of, = or in"
                )
            codes = [code for code in codes if code in accepted]
        if len(codes) > MAX_CODES:
            raise self.too_many()
        return codes

    async def _tree(self, canonical: str) -> CodeTree:
        found = self._trees.get(canonical)
        if found is None:
            row = await self._row("CodeSystem", canonical)
            if row is None:
                raise self._refused(f"needs the CodeSystem {_shown(canonical)}, which is not here; create it first")
            found = code_tree(await _decoded(row))
            if found is None:
                why = f"needs all codes of the CodeSystem {_shown(canonical)}, whose content is not complete"
                raise self._refused(why)
            self._trees[canonical] = found
        return found

    async def _row(self, type: str, canonical: str) -> SearchRow | None:
        url, _, version = canonical.partition("|")
        conditions = [Clause("url", (Tokens((f"url|{url}",)),))]
        if version:
            leaves = parameter_leaves(type, "version")
            asked = token.read_value("version", leaves, _escaped(version))
            conditions.append(Clause("version", (asked,)))
        newest = (SortKey("_lastUpdated", descending=True),)
        return await self._first(SearchRequest(type, tuple(conditions), sort=newest, count=1))

    async def _first(self, request: SearchRequest) -> SearchRow | None:
        if request.type not in await self.reading.types():
            return None
        narrowed = narrow(self.reading.context, request)
        rows = await self.reading.find(self.reading.plan_now(narrowed))
        return rows[0] if rows else None

    def _contained(self, expansion: Resource) -> Codes:
        if expansion.get("total", 0) > MAX_CODES:
            raise self.too_many()
        codes: Codes = {}
        left = list(reversed(expansion.get("contains", ())))
        counted = 0
        while left:
            each = left.pop()
            if "system" in each and "code" in each and each.get("abstract") is not True:
                codes[each["system"], each["code"]] = None
            left += reversed(each.get("contains", ()))
            counted += 1
            if counted > MAX_CODES:
                raise self.too_many()
        if counted < expansion.get("total", 0):
            raise self._refused("names a value set whose stored expansion is only a part of it")
        return codes

    def _refused(self, why: str) -> FhirError:
        return outcome.BAD_PARAMETER_VALUE(f"{self.name} {why}.", self.name)


async def _decoded(row: SearchRow) -> Resource:
    body = row.body
    found: Resource = await asyncio.to_thread(decode, body) if len(body) > LARGE_BODY_BYTES else decode(body)
    return found


def _escaped(text: str) -> str:
    for mark in "\\|,$":
        text = text.replace(mark, "\\" + mark)
    return text


def _shown(text: str) -> str:
    """A canonical or name, shortened; terminology is no health data."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(text)[:200])
