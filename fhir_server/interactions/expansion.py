"""What `:in`, `:not-in`, `:above` and `:below` stand for, found in the ValueSets, CodeSystems and references kept here.

https://hl7.org/fhir/R4/search.html#token, https://hl7.org/fhir/R4/search.html#recursive,
https://hl7.org/fhir/R4/valueset.html#composition
"""

from collections.abc import Iterable, Sequence

from fhir_server.core import outcome
from fhir_server.core.outcome import FhirError
from fhir_server.core.reference import parse_reference
from fhir_server.core.resource import Resource
from fhir_server.definitions.value_sets import required_value_set
from fhir_server.interactions.hierarchy import CodeTree, references_around
from fhir_server.interactions.reading import Reading
from fhir_server.interactions.terminology import Codes, Terminology, beside_loop
from fhir_server.search.escaping import split_unescaped, unescape
from fhir_server.search.index import parameter_leaves
from fhir_server.search.parameter_types import token
from fhir_server.search.paths import Leaf
from fhir_server.search.request import Clause, Condition, Expanded, Ids, NotThis, SearchRequest, Tokens

MAX_CODES = 5_000
"""Codes one condition may stand for in a search."""
MAX_IMPORTS = 20
"""ValueSets that those of one condition may import, directly and further on."""


async def expanded(reading: Reading, request: SearchRequest, condition: Expanded) -> Condition:
    """The condition as tokens. Raises FhirError 400 naming what is not here, cannot be expanded, or is too large."""
    if request.parameter_set.of(request.type)[condition.parameter].type == "reference":
        tokens: dict[str, None] = {}
        for text in condition.texts:
            tokens |= dict.fromkeys(await references_around(reading, request, condition, text))
        return Clause(condition.parameter, (Tokens(tuple(tokens)),))
    leaves = parameter_leaves(request.type, condition.parameter, request.parameter_set)
    # In a search of many types most parameters read the same of each.
    key = (condition, leaves)
    found = reading.memo.get(key)
    if found is None:
        codes = await _Expansion(reading, condition).codes()
        found = reading.memo[key] = _coded(condition, leaves, codes)
    assert isinstance(found, Condition)
    return found


def _coded(condition: Expanded, leaves: tuple[Leaf, ...], codes: Iterable[tuple[str, str]]) -> Condition:
    tokens: dict[str, None] = {}
    for system, code in codes:
        written = f"{_escaped(system)}|{_escaped(code)}"
        tokens |= dict.fromkeys(token.read_value(condition.parameter, leaves, written).tokens)
    negated = condition.modifier == "not-in"
    if not tokens:
        # No code is in an empty set: none matches, and with not-in every resource.
        return NotThis(Ids(())) if negated else Ids(())
    return Clause(condition.parameter, (Tokens(tuple(tokens)),), negated)


class _Expansion:
    """The expansion of one condition; an import that leads back to itself is seen."""

    def __init__(self, reading: Reading, condition: Expanded) -> None:
        self.reading = reading
        self.condition = condition
        self.terminology = Terminology.of(reading)
        self._imports = 0

    async def codes(self) -> Codes:
        """The codes of all values together."""
        condition, codes = self.condition, Codes()
        for position, text in enumerate(condition.texts, 1):
            # A value is never repeated; what stored resources name is told.
            which = "a value" if len(condition.texts) == 1 else f"a value (number {position})"
            is_set = condition.modifier in ("in", "not-in")
            codes |= await (self._value_set(unescape(text), which) if is_set else self._around(text, which))
            if len(codes) > MAX_CODES:
                raise self._too_many()
        return codes

    async def _value_set(self, sent: str, which: str) -> Codes:
        """The codes of a value set named by canonical URL or by where it is kept (`ValueSet/id`)."""
        reference = parse_reference(sent)
        is_own = reference is not None and reference.base in (None, *self.reading.context.own_bases)
        missing = f"has {which} that names no ValueSet here; create it first"
        if reference is None or not is_own or reference.type != "ValueSet":
            return await self._by_url(sent, (), missing)
        resource = await self.terminology.value_set_at(self.reading, reference.id)
        if resource is None:
            raise self._refused(missing)
        return await self._composed(resource, ())

    async def _around(self, text: str, which: str) -> Codes:
        """The code and all above or below it in its code system."""
        parts = [unescape(part) for part in split_unescaped(text, "|")]
        if len(parts) != 2 or not all(parts):
            raise self._refused(f"has {which} without a code system; write system|code")
        system, code = parts
        tree = await self._tree(system, f"has {which} that", "")
        if self.condition.modifier == "above":
            found = await beside_loop(tree, lambda: tree.above(code))
        else:
            found = await beside_loop(tree, lambda: tree.below(code))
        return {(system, each): None for each in found}

    async def _by_url(self, canonical: str, importing: tuple[str, ...], missing: str) -> Codes:
        if canonical in importing:
            raise self._refused("names a value set that imports itself")
        known = self.terminology.codes(canonical)
        if known is not None:
            return known
        resource = await self.terminology.value_set(self.reading, canonical)
        if resource is not None:
            codes = await self._composed(resource, (*importing, canonical))
        else:
            required = required_value_set(canonical)
            if required is None:
                raise self._refused(missing)
            codes = {(system, code): None for system, of_it in required.systems.items() for code in sorted(of_it)}
        self.terminology.keep(canonical, codes)
        return codes

    async def _composed(self, value_set: Resource, importing: tuple[str, ...]) -> Codes:
        compose = value_set.get("compose")
        if compose is None:
            if "expansion" in value_set:
                return self._stored(value_set["expansion"])
            raise self._refused("names a value set without compose or expansion")
        codes: Codes = {}
        for include in compose.get("include", ()):
            codes |= await self._part(include, importing)
            if len(codes) > MAX_CODES:
                raise self._too_many()
        for exclude in compose.get("exclude", ()):
            for each in await self._part(exclude, importing):
                codes.pop(each, None)
        return codes

    async def _part(self, part: Resource, importing: tuple[str, ...]) -> Codes:
        """One include or exclude: its codes that are in every value set it imports."""
        if self.reading.is_late():
            raise outcome.TOO_COSTLY(
                f"{self.condition.name} takes too long to expand. Name a smaller value set.", self.condition.name
            )
        found: Codes | None = None
        if "system" in part:
            codes = await self._of_system(part)
            found = {(part["system"], code): None for code in codes}
        for canonical in part.get("valueSet", ()):
            self._imports += 1
            if self._imports > MAX_IMPORTS:
                raise self._refused(f"names a value set that imports more than {MAX_IMPORTS} others")
            if canonical is None:
                # In JSON a primitive that has extensions alone stands as null in its list.
                raise self._refused("names a value set that imports one without a URL")
            missing = f"needs the ValueSet {_shown(canonical)}, which is not here; create it first"
            imported = await self._by_url(canonical, importing, missing)
            found = imported if found is None else {each: None for each in found if each in imported}
        return found or {}

    async def _of_system(self, part: Resource) -> Sequence[str]:
        if "concept" in part:
            return [concept["code"] for concept in part["concept"] if "code" in concept]
        canonical = part["system"] + (f"|{part['version']}" if "version" in part else "")
        tree = await self._tree(canonical, "needs", f" {_shown(canonical)}")
        filters = part.get("filter", ())
        codes = await beside_loop(tree, lambda: _chosen(tree, filters))
        if isinstance(codes, dict):
            named = f"{_shown(codes.get('property', ''))} {_shown(codes.get('op', ''))}"
            raise self._refused(
                f"names a value set with a filter that is not supported ({named}); list its codes, or use is-a, "
                "descendent-of, = or in"
            )
        if len(codes) > MAX_CODES:
            raise self._too_many()
        return codes

    async def _tree(self, canonical: str, says: str, shown: str) -> CodeTree:
        """The codes of a CodeSystem; `says` and `shown` are how the sentence that refuses it begins and names it."""
        is_sent = not shown
        try:
            tree = await self.terminology.tree(self.reading, canonical)
        except KeyError:
            which = "names no CodeSystem here" if is_sent else f"the CodeSystem{shown}, which is not here"
            raise self._refused(f"{says} {which}; create it first") from None
        if tree is None:
            which = "names a CodeSystem" if is_sent else f"all codes of the CodeSystem{shown}"
            raise self._refused(f"{says} {which}, whose content is not complete")
        return tree

    def _stored(self, expansion: Resource) -> Codes:
        if expansion.get("total", 0) > MAX_CODES:
            raise self._too_many()
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
                raise self._too_many()
        if counted < expansion.get("total", 0):
            raise self._refused("names a value set whose stored expansion is only a part of it")
        return codes

    def _too_many(self) -> FhirError:
        name = self.condition.name
        return outcome.TOO_COSTLY(f"{name} stands for more than {MAX_CODES} codes. Name a smaller value set.", name)

    def _refused(self, why: str) -> FhirError:
        return outcome.BAD_PARAMETER_VALUE(f"{self.condition.name} {why}.", self.condition.name)


def _chosen(tree: CodeTree, filters: Iterable[Resource]) -> list[str] | Resource:
    """The codes that pass every filter, or the first filter that is not supported."""
    codes: list[str] = list(tree.codes)
    for each in filters:
        accepted = tree.filtered(each.get("property", ""), each.get("op", ""), each.get("value", ""))
        if accepted is None:
            return each
        codes = [code for code in codes if code in accepted]
    return codes


def _escaped(text: str) -> str:
    for mark in "\\|,$":
        text = text.replace(mark, "\\" + mark)
    return text


def _shown(text: str) -> str:
    """A canonical or name out of a stored resource, shortened; terminology is no health data."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(text)[:200])
