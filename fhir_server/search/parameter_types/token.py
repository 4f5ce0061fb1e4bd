"""Token parameters: codes, identifiers and booleans by equality.

https://hl7.org/fhir/R4/search.html#token

Index, in `t`: `param|code|system`; `param|code|` whatever the system; `param|code||` where there is none;
`param||system` whatever the code. Elements that never have a system (code, boolean, string, uri, ContactPoint) write
`param|code|` alone, unless the parameter reads codings too. Codes are lower-cased, values of identifiers are not.
"|" and "\\" inside a part are escaped with "\\". An identifier with a typed value also writes
`param:of-type|type code|type system|value`. In `s`: `param:text|folded text` for the texts of codes and types.
"""

from functools import lru_cache
from typing import Any

import msgspec

from fhir_server.definitions.value_sets import required_value_set
from fhir_server.definitions.withheld import SSN, SYSTEMS, TYPE
from fhir_server.search.entries import SORTED, Entries
from fhir_server.search.escaping import split_unescaped, unescape
from fhir_server.search.identifier_aliases import (
    asked_value,
    canonical_identifier,
    canonical_system,
    written_systems,
    written_values,
)
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.parameter_types.string import read_value as read_start
from fhir_server.search.parameter_types.string import text_entry
from fhir_server.search.paths import Leaf, Visit
from fhir_server.search.request import StartsWith, Tokens
from fhir_server.search.withheld import Withheld

WITHOUT_SYSTEM = frozenset({"code", "boolean", "string", "id", "uri", "ContactPoint"})
BOOLEANS = "http://hl7.org/fhir/special-values"
"""The system R4 implies for true and false."""


def writer(parameter: str, leaf: Leaf, leaves: tuple[Leaf, ...]) -> Visit | None:
    """What writes a value of the leaf's type to Entries; None for types that are no tokens."""
    if leaf.type == "Identifier":
        return _typed_identifier_writer(parameter)
    if leaf.type == "Coding":
        return _coding_writer(parameter)
    if leaf.type == "CodeableConcept":
        return _concept_writer(parameter)
    if leaf.type in WITHOUT_SYSTEM:
        # Beside codings (Group.value, MessageHeader.event), "no system" must be told apart from "any system".
        endings = ("|",) if has_no_system(leaves) else ("|", "||")
        return _contact_writer(parameter, endings) if leaf.type == "ContactPoint" else _code_writer(parameter, endings)
    return None


def has_no_system(leaves: tuple[Leaf, ...]) -> bool:
    """Whether nothing the parameter reads can have a system."""
    return all(leaf.type in WITHOUT_SYSTEM for leaf in leaves)


def read_value(parameter: str, leaves: tuple[Leaf, ...], text: str) -> Tokens:
    """`code`, `system|code`, `|code` or `system|`, escapes included. Raises BadValue."""
    parts = [unescape(part) for part in split_unescaped(text, "|")]
    if len(parts) > 2:
        raise BadValue('has more than one "|"; write "\\|" for one that belongs to the code')
    system, code = (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    if not code and not system:
        raise BadValue('names neither a system nor a code; write "code", "system|code", "|code" or "system|"')
    asked: dict[str, None] = {}
    if any(leaf.type == "Identifier" for leaf in leaves):
        asked |= dict.fromkeys(_asked_identifier(parameter, system, code))
    if any(leaf.type != "Identifier" for leaf in leaves):
        asked |= dict.fromkeys(_asked_code(parameter, leaves, system, code.lower()))
    return Tokens(tuple(asked))


def read_text(text: str) -> StartsWith:
    """The start of a text of the code, or of the type of an identifier (`:text`). Raises BadValue."""
    found = read_start(text)
    assert isinstance(found, StartsWith)
    return StartsWith(found.text, entry=":text")


def read_of_type(parameter: str, text: str) -> Tokens:
    """`type system|type code|value` of an identifier (`:of-type`); the system may be empty. Raises BadValue."""
    parts = [unescape(part) for part in split_unescaped(text, "|")]
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise BadValue('is not "type system|type code|value"; all three are needed, only the system may be empty')
    system, code, value = parts
    return Tokens((_of_type(parameter, code, system, asked_value(value)),))


def _asked_identifier(parameter: str, system: str | None, value: str) -> tuple[str, ...]:
    if system is None:
        return (_any_system(parameter, asked_value(value)),)
    if not system:
        return (_no_system(parameter, value),)
    if not value:
        return (_any_code(parameter, canonical_system(system)),)
    system, value = canonical_identifier(system, value)
    return (_exact(parameter, value, system),)


def _asked_code(parameter: str, leaves: tuple[Leaf, ...], system: str | None, code: str) -> tuple[str, ...]:
    if system is None:
        return (_any_system(parameter, code),)
    if not has_no_system(leaves):
        if not system:
            return (_no_system(parameter, code),)
        return (_exact(parameter, code, system) if code else _any_code(parameter, system),)
    if not system:
        return (_any_system(parameter, code),)
    implied = _implied_codes(leaves, system)
    if not code:
        return tuple(_any_system(parameter, each) for each in sorted(implied)) or (_any_code(parameter, system),)
    # No row holds a token with a system for such a parameter: another system than the implied one finds nothing.
    return (_any_system(parameter, code) if code in implied else _exact(parameter, code, system),)


def _implied_codes(leaves: tuple[Leaf, ...], system: str) -> frozenset[str]:
    """The codes, lower-cased, that a required binding or R4 itself says to be of `system`."""
    codes: set[str] = set()
    for leaf in leaves:
        if leaf.type == "boolean" and system == BOOLEANS:
            codes |= {"true", "false"}
        value_set = required_value_set(leaf.required_values) if leaf.required_values else None
        if value_set is not None:
            codes |= {code.lower() for code in value_set.systems.get(system, ())}
    return frozenset(codes)


def _escaped(text: str) -> str:
    if "|" in text or "\\" in text:
        return text.replace("\\", "\\\\").replace("|", "\\|")
    return text


def _any_system(parameter: str, code: str) -> str:
    return f"{parameter}|{_escaped(code)}|"


def _no_system(parameter: str, code: str) -> str:
    return f"{parameter}|{_escaped(code)}||"


def _any_code(parameter: str, system: str) -> str:
    return f"{parameter}||{_escaped(system)}"


def _exact(parameter: str, code: str, system: str) -> str:
    return f"{parameter}|{_escaped(code)}|{_escaped(system)}"


def _of_type(parameter: str, code: str, system: str, value: str) -> str:
    return f"{parameter}:of-type|{_escaped(code.lower())}|{_escaped(system)}|{_escaped(value)}"


def label(coding: Any) -> str | None:
    """A security label or tag as a row's `labels` has it: `code|system`, the code lower-cased; None without a code."""
    code = coding.get("code")
    return None if code is None else f"{_escaped(code.lower())}|{_escaped(coding.get('system', ''))}"


def _coding_writer(parameter: str) -> Visit:
    def write(value: Any, entries: Entries) -> None:
        code, system, display = value.get("code"), value.get("system"), value.get("display")
        longest = len(code or "") + len(system or "") + len(display or "")
        written = (_of_short_coding if longest <= _SHORT else _of_coding)(parameter, code, system, display)
        entries.tokens.update(written.tokens)
        if written.text is not None:
            entries.strings[written.text] = None
        if written.key is not None:
            entries.sort_by(parameter, written.key, written.key)

    return write


class _Written(msgspec.Struct, frozen=True):
    """What one coding writes: tokens, the entry of its display in `s`, its sort key."""

    tokens: dict[str, None]
    text: str | None
    key: str | None


def _of_coding(parameter: str, code: str | None, system: str | None, display: str | None) -> _Written:
    tokens: dict[str, None] = {}
    text = text_entry(parameter, display) if display is not None else None
    if system is not None:
        tokens[_any_code(parameter, system)] = None
    if code is None:
        return _Written(tokens or {f"{parameter}!": None}, text, None)
    code = code.lower()
    tokens[_any_system(parameter, code)] = None
    tokens[_exact(parameter, code, system) if system else _no_system(parameter, code)] = None
    return _Written(tokens, text, code[:SORTED])


_SHORT = 300
# The codes of a record come again and again; a hit takes 0.2 µs, making it anew 3.4 µs.
_of_short_coding = lru_cache(4096)(_of_coding)


def _concept_writer(parameter: str) -> Visit:
    write_coding = _coding_writer(parameter)

    def write(value: Any, entries: Entries) -> None:
        codings = value.get("coding")
        if codings:
            for coding in codings:
                write_coding(coding, entries)
        else:
            entries.mark_present(parameter)
        text = value.get("text")
        if text is not None:
            entries.strings[text_entry(parameter, text)] = None

    return write


def _typed_identifier_writer(parameter: str) -> Visit:
    write_identifier = identifier_writer(parameter)

    def write(value: Any, entries: Entries) -> None:
        write_identifier(value, entries)
        text = value.get("value")
        number = value.number if isinstance(value, Withheld) else None
        if text is not None:
            entries.sort_by(parameter, text[:SORTED], text[:SORTED])
        elif value.get("system") is None:
            entries.mark_present(parameter)
        type = value.get("type")
        if type is None:
            return
        if "text" in type:
            entries.strings[text_entry(parameter, type["text"])] = None
        for coding in type.get("coding", ()):
            if "display" in coding:
                entries.strings[text_entry(parameter, coding["display"])] = None
            if text is not None and "code" in coding:
                for form in written_values(value.get("system"), text):
                    entries.tokens[_of_type(parameter, coding["code"], coding.get("system", ""), form)] = None
            if number is not None and coding.get("code") == TYPE:
                for form in written_values(SSN, number):
                    entries.tokens[_of_type(parameter, TYPE, coding.get("system", ""), form)] = None

    return write


def identifier_writer(parameter: str) -> Visit:
    """What writes the tokens of an Identifier's value and system to Entries."""

    def write(value: Any, entries: Entries) -> None:
        text, system = value.get("value"), value.get("system")
        tokens = entries.tokens
        if isinstance(value, Withheld):
            _write_withheld(parameter, value, tokens)
            return
        if text is not None:
            for form in written_values(system, text):
                tokens[_any_system(parameter, form)] = None
            if system is None:
                tokens[_no_system(parameter, text)] = None
            else:
                own_system, own_text = canonical_identifier(system, text)
                tokens[_exact(parameter, own_text, own_system)] = None
        if system is not None:
            for each in written_systems(system, text):
                tokens[_any_code(parameter, each)] = None

    return write


def _write_withheld(parameter: str, identifier: Withheld, tokens: dict[str, None]) -> None:
    """By its system alone: as an SSN where the type says that it is one, whatever the system."""
    system = identifier.get("system")
    system = canonical_system(system) if system in SYSTEMS else SSN
    tokens[_any_code(parameter, system)] = None
    if identifier.number is not None:
        _, number = canonical_identifier(system, identifier.number)
        tokens[_exact(parameter, number, system)] = None


def _code_writer(parameter: str, endings: tuple[str, ...]) -> Visit:
    prefix = f"{parameter}|"

    def write(value: Any, entries: Entries) -> None:
        if value is True or value is False:
            code = "true" if value else "false"
        else:
            code = value.lower()
        written = prefix + _escaped(code)
        for ending in endings:
            entries.tokens[written + ending] = None
        entries.sort_by(parameter, code[:SORTED], code[:SORTED])

    return write


def _contact_writer(parameter: str, endings: tuple[str, ...]) -> Visit:
    write_code = _code_writer(parameter, endings)

    def write(value: Any, entries: Entries) -> None:
        text = value.get("value")
        if text is not None:
            write_code(text, entries)
        else:
            entries.mark_present(parameter)

    return write
