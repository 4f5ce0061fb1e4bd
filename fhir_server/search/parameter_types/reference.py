"""Reference parameters: what a resource points to, by id, type and id, or URL.

https://hl7.org/fhir/R4/search.html#reference, https://hl7.org/fhir/R4/references.html#canonical

Index, in `t`: `param|Type/id` for references inside this server, however they were written; `param|url` for others.
Versions of references are dropped. A canonical is written as `param|url` and as `param|url|version`, where the version
is empty if it names none.
A Reference's identifier is written as an Identifier of a token parameter called `param:identifier`.
"""

from typing import Any

from fhir_server.core.reference import is_id, parse_reference
from fhir_server.definitions.registry import is_resource_type
from fhir_server.search.entries import Entries
from fhir_server.search.escaping import unescape
from fhir_server.search.parameter_types import token
from fhir_server.search.parameter_types.bad_value import BadValue
from fhir_server.search.paths import Leaf, Visit
from fhir_server.search.request import Tokens


def writer(parameter: str, leaf: Leaf, targets: tuple[str, ...]) -> Visit | None:
    """What writes a value of the leaf's type to Entries; None for types that refer to nothing (an Attachment)."""
    match leaf.type:
        case "Reference":
            return _reference_writer(parameter)
        case "canonical" | "uri":
            return _canonical_writer(parameter)
        case "Resource":
            return _resource_writer(parameter, targets)
    return None


def located(text: str, own_bases: tuple[str, ...]) -> str | None:
    """`Type/id` where the text names a resource of this server, the URL without version where it names another.

    None for what can be found only inside the resource itself (`#contained`).
    """
    if text.startswith("#") or not text:
        return None
    reference = parse_reference(text)
    if reference is None:
        return text
    if reference.base is None or reference.base in own_bases:
        return text if reference.base is None and reference.version is None else reference.local
    return f"{reference.base}/{reference.local}"


def located_in(entries: Entries, text: str) -> str | None:
    """`located`, remembered for the resource at hand."""
    try:
        return entries.references[text]
    except KeyError:
        entries.references[text] = found = located(text, entries.own_bases)
        return found


def read_value(
    parameter: str, leaves: tuple[Leaf, ...], targets: tuple[str, ...], text: str, own_bases: tuple[str, ...]
) -> Tokens:
    """`id`, `Type/id` or an absolute URL, with a version or not. An id alone may be of any of `targets`.

    Raises BadValue.
    """
    text = unescape(text)
    if is_id(text):
        return Tokens(tuple(f"{parameter}|{target}/{text}" for target in targets))
    if any(leaf.type != "Reference" for leaf in leaves) and "|" in text:
        text, _, version = text.partition("|")
        ending = f"|{version}"
    else:
        ending = ""
    found = located(text, own_bases) if _is_reference(text) else None
    if found is None:
        raise BadValue("is not a reference: write an id, Type/id with a resource type of R4, or an absolute URL")
    return Tokens((f"{parameter}|{found}{ending}",))


def _is_reference(text: str) -> bool:
    reference = parse_reference(text)
    if reference is None or reference.base is not None:
        # A scheme makes a URL absolute; white space is in none (RFC 3986).
        return ":" in text and not any(each.isspace() for each in text)
    return is_resource_type(reference.type)


def read_identifier(parameter: str, text: str) -> Tokens:
    """The identifier of what is referred to, `[system|]value`, as it stands in the Reference. Raises BadValue."""
    return token.read_value(f"{parameter}:identifier", _IDENTIFIERS, text)


_IDENTIFIERS = (Leaf("Identifier"),)


def _reference_writer(parameter: str) -> Visit:
    prefix = f"{parameter}|"
    write_identifier = token.identifier_writer(f"{parameter}:identifier")

    def write(value: Any, entries: Entries) -> None:
        text = value.get("reference")
        found = located_in(entries, text) if text is not None else None
        if found is not None:
            entries.tokens[prefix + found] = None
        else:
            entries.mark_present(parameter)
        identifier = value.get("identifier")
        if identifier is not None:
            write_identifier(identifier, entries)

    return write


def _canonical_writer(parameter: str) -> Visit:
    prefix = f"{parameter}|"

    def write(value: Any, entries: Entries) -> None:
        url, _, version = value.partition("|")
        found = located_in(entries, url)
        if found is None:
            entries.mark_present(parameter)
            return
        entries.tokens[prefix + found] = None
        entries.tokens[f"{prefix}{found}|{version}"] = None

    return write


def _resource_writer(parameter: str, targets: tuple[str, ...]) -> Visit:
    """Bundle's `composition` and `message` lead to the first entry's resource itself."""

    def write(value: Any, entries: Entries) -> None:
        type, id = value.get("resourceType"), value.get("id")
        if type in targets and id is not None:
            entries.tokens[f"{parameter}|{type}/{id}"] = None
        else:
            entries.mark_present(parameter)

    return write
