"""Token parameters: codes, identifiers and booleans by equality.

https://hl7.org/fhir/R4/search.html#token

Index, in `t`: `param|code|system`; `param|code|` whatever the system; `param|code||` where there is none;
`param||system` whatever the code. Elements that never have a system (code, boolean, string, uri, ContactPoint) write
`param|code|` alone, unless the parameter reads codings too. Codes are lower-cased, values of identifiers are not.
"|" and "\\" inside a part are escaped with "\\".
"""

from typing import Any

from fhir_server.definitions.value_sets import required_value_set
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
from fhir_server.search.paths import Leaf, Visit
from fhir_server.search.request import Tokens

WITHOUT_SYSTEM = frozenset({"code", "boolean", "string", "id", "uri", "ContactPoint"})
BOOLEANS = "http://hl7.org/fhir/special-values"
"""The system R4 implies for true and false."""


def writer(parameter: str, leaf: Leaf, leaves: tuple[Leaf, ...]) -> Visit | None:
    """What writes a value of the leaf's type to Entries; None for types that are no tokens."""
    if leaf.type == "Identifier":
        return _identifier_writer(parameter)
    if leaf.type == "Coding":
        return _coding_writer(parameter)
    if leaf.type == "CodeableConcept":
        return _concept_writer(parameter)
    if leaf.type in WITHOUT_SYSTEM:
        # Beside codings (Group.value, MessageHeader.event), "no system" must be told apart from "any system".
        endings = ("|",) if has_no_system(leaves) else ("|", "||")
        return _contact_writer(parameter, endings) if leaf.type == "ContactPoint" else _text_writer(parameter, endings)
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


def label(coding: Any) -> str | None:
    """A security label or tag as a row's `labels` has it: `code|system`, the code lower-cased; None without a code."""
    code = coding.get("code")
    return None if code is None else f"{_escaped(code.lower())}|{_escaped(coding.get('system', ''))}"


def _coding_writer(parameter: str) -> Visit:
    prefix, system_alone = f"{parameter}|", f"{parameter}||"

    def write(value: Any, entries: Entries) -> None:
        code, system = value.get("code"), value.get("system")
        if system is not None:
            system = _escaped(system)
            entries.tokens[system_alone + system] = None
        if code is None:
            return
        code = code.lower()
        token = f"{prefix}{_escaped(code)}|"
        entries.tokens[token] = None
        entries.tokens[token + (system or "|")] = None
        entries.sort_by(parameter, code[:SORTED], code[:SORTED])

    return write


def _concept_writer(parameter: str) -> Visit:
    write_coding = _coding_writer(parameter)

    def write(value: Any, entries: Entries) -> None:
        for coding in value.get("coding", ()):
            write_coding(coding, entries)

    return write


def _identifier_writer(parameter: str) -> Visit:
    def write(value: Any, entries: Entries) -> None:
        text, system = value.get("value"), value.get("system")
        tokens = entries.tokens
        if text is not None:
            for form in written_values(system, text):
                tokens[_any_system(parameter, form)] = None
            if system is None:
                tokens[_no_system(parameter, text)] = None
            else:
                own_system, own_text = canonical_identifier(system, text)
                tokens[_exact(parameter, own_text, own_system)] = None
            entries.sort_by(parameter, text[:SORTED], text[:SORTED])
        if system is not None:
            for each in written_systems(system, text):
                tokens[_any_code(parameter, each)] = None

    return write


def _text_writer(parameter: str, endings: tuple[str, ...]) -> Visit:
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
    write_text = _text_writer(parameter, endings)

    def write(value: Any, entries: Entries) -> None:
        text = value.get("value")
        if text is not None:
            write_text(text, entries)

    return write
