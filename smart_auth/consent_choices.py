"""What a person can choose on the consent page, and what follows from the boxes that were ticked.

Under a scope on everything stand the types, under Condition and Observation their categories: whoever unticks the
wide one and ticks some of these grants less.
https://hl7.org/fhir/us/core/STU7/scopes.html, 45 CFR 170.315(g)(10)
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from smart_auth.access import ANY_TYPE, ResourceScope
from smart_auth.scope_words import CATEGORIES, TYPE_WORDS, category_words, deeds, scope_words, special_words
from smart_auth.scopes import FHIR_USER, OPENID, PROFILE, read_scope, text_of

CONTEXT = ("launch", "launch/patient", "launch/encounter")
"""What stays granted as long as a `patient/` scope does: an app that sees one record has to know whose it is."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A box: the scope it stands for, in words and as written, and narrower ones that can stand in its place."""

    scope: str
    label: str
    note: str
    is_ticked: bool = True
    narrower: tuple["Choice", ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Boxes under one heading; `of` says whose heading it is: `person`, `context`, `patient`, `user` or `time`."""

    of: str
    choices: tuple[Choice, ...]


def sections(scopes: Iterable[str]) -> tuple[Section, ...]:
    """The boxes for the asked scopes."""
    asked = dict.fromkeys(scopes)
    found: dict[str, list[Choice]] = {"person": [], "context": [], "patient": [], "user": [], "time": []}
    for text in asked:
        scope = read_scope(text)
        if isinstance(scope, ResourceScope):
            found[scope.level].append(_resource_choice(text, scope, asked))
        elif scope is not None:
            label, note = special_words(text)
            found[_section_of(text)].append(Choice(text, label, note))
    return tuple(Section(of, tuple(choices)) for of, choices in found.items() if choices)


def ticked(offered: tuple[Section, ...], boxes: Collection[str]) -> tuple[Section, ...]:
    """The same boxes, ticked as they were sent."""
    return tuple(replace(each, choices=tuple(_ticked(choice, boxes) for choice in each.choices)) for each in offered)


def granted(offered: tuple[Section, ...], boxes: Collection[str]) -> tuple[str, ...]:
    """The scopes that the ticked boxes stand for, as far as they were offered; none of what a wider one covers."""
    chosen = [scope for each in offered for choice in each.choices for scope in _chosen(choice, boxes)]
    if any(scope.startswith("patient/") for scope in chosen):
        context = [choice.scope for each in offered if each.of == "context" for choice in each.choices]
        chosen = [*(scope for scope in chosen if scope not in CONTEXT), *context]
    order = {choice.scope: place for place, choice in enumerate(c for each in offered for c in each.choices)}
    return tuple(sorted(dict.fromkeys(chosen), key=lambda scope: order.get(scope, len(order))))


def _section_of(scope: str) -> str:
    if scope in (OPENID, FHIR_USER, PROFILE):
        return "person"
    return "context" if scope in CONTEXT else "time"


def _resource_choice(text: str, scope: ResourceScope, asked: Collection[str], is_ticked: bool = True) -> Choice:
    narrower = [each for each in _narrower(text, scope) if each.scope not in asked]
    return Choice(text, scope_words(scope), deeds(scope.permissions), is_ticked, tuple(narrower))


def _narrower(text: str, scope: ResourceScope) -> list[Choice]:
    if scope.filters:
        return []
    if scope.type == ANY_TYPE:
        types = [replace(scope, type=type) for type in TYPE_WORDS]
        written = [text.replace("/*.", f"/{each.type}.", 1) for each in types]
        return [_resource_choice(name, each, (), is_ticked=False) for name, each in zip(written, types, strict=True)]
    parts = [replace(scope, filters=(("category", token),)) for token in CATEGORIES.get(scope.type, {})]
    return [Choice(text_of(each), category_words(each), deeds(each.permissions), is_ticked=False) for each in parts]


def _ticked(choice: Choice, boxes: Collection[str]) -> Choice:
    narrower = tuple(_ticked(each, boxes) for each in choice.narrower)
    return replace(choice, is_ticked=choice.scope in boxes, narrower=narrower)


def _chosen(choice: Choice, boxes: Collection[str]) -> list[str]:
    if choice.scope in boxes:
        return [choice.scope]
    return [scope for each in choice.narrower for scope in _chosen(each, boxes)]
