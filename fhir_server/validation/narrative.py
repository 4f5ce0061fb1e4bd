"""The XHTML of a narrative: one well-formed div, formatting only, nothing that runs.

https://hl7.org/fhir/R4/narrative.html#xhtml (txt-1, txt-2)
"""

import re
from xml.parsers import expat

from fhir_server.core.outcome import BAD_FORMAT, EMPTY_VALUE
from fhir_server.validation.findings import Fault

XHTML = "http://www.w3.org/1999/xhtml"


def div_fault(text: str) -> Fault | None:
    """What is wrong with `Narrative.div`, or None.

    Refused besides what is not XML: another root than a div in the XHTML namespace, elements outside chapters 7 to 11
    and 15 of HTML 4.0 (but for links and images), event attributes, script URLs, document types and their entities.
    """
    # Most mistakes (plain text, a missing namespace) are settled here for 0.2 µs.
    if not _STARTS.match(text):
        return _NO_DIV
    reading = _Reading()
    # A parser has no network and, as a document type stops it, no entities but XML's five; 20 µs for 200 characters.
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reading.element
    parser.CharacterDataHandler = reading.characters
    parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = reading.refuse
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, UnicodeEncodeError):
        return _NOT_XML
    except _Refused as refused:
        return refused.fault
    return None if reading.has_content else _BLANK


class _Refused(Exception):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


class _Reading:
    """What is seen while one div is read."""

    __slots__ = ("has_content", "has_root")

    def __init__(self) -> None:
        self.has_content = False
        self.has_root = False

    def element(self, name: str, attributes: dict[str, str]) -> None:
        if not self.has_root:
            self.has_root = True
            if name != f"{XHTML} div":
                raise _Refused(_NO_DIV)
        elif name not in _ELEMENTS:
            raise _Refused(_FORBIDDEN_ELEMENT)
        elif name == _IMAGE:
            self.has_content = True
        for attribute, value in attributes.items():
            if attribute[:2].lower() == "on" or (" " in attribute and not attribute.startswith(_XML_NAMESPACE)):
                raise _Refused(_FORBIDDEN_ATTRIBUTE)
            if attribute in _URL_ATTRIBUTES and _RUNS.match(_IGNORED_IN_URLS.sub("", value)):
                raise _Refused(_FORBIDDEN_ATTRIBUTE)

    def characters(self, characters: str) -> None:
        if not self.has_content and characters.strip(" \t\r\n"):
            self.has_content = True

    def refuse(self, *_: object) -> None:
        raise _Refused(_NOT_XML)


_NO_DIV = Fault(BAD_FORMAT, f'must be one <div xmlns="{XHTML}"> element with the narrative inside.')
_NOT_XML = Fault(
    BAD_FORMAT,
    "must be well-formed XML without document type or processing instructions. Close every tag, write & as &amp;,"
    " and use characters in place of named HTML entities such as &nbsp;.",
)
_FORBIDDEN_ELEMENT = Fault(
    BAD_FORMAT, "has an element that narratives may not have: only formatting, lists, tables, links and images."
)
_FORBIDDEN_ATTRIBUTE = Fault(BAD_FORMAT, "has an event attribute, a script URL or an attribute of another namespace.")
_BLANK = Fault(EMPTY_VALUE, "must have some text or an image in its div.")

_STARTS = re.compile(r"\s*<(?:[A-Za-z][\w.-]*:)?div[\s>/]")
_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace "
_IMAGE = f"{XHTML} img"
# fmt: off
_FORMATTING = (
    # Chapters 7 and 8
    "div", "span", "h1", "h2", "h3", "h4", "h5", "h6", "address", "bdo",
    # Chapter 9
    "em", "strong", "dfn", "code", "samp", "kbd", "var", "cite", "abbr", "acronym", "blockquote", "q", "sub", "sup",
    "p", "br", "pre",
    # Chapter 10
    "ul", "ol", "li", "dl", "dt", "dd",
    # Chapter 11
    "table", "caption", "thead", "tfoot", "tbody", "colgroup", "col", "tr", "th", "td",
    # Chapter 15
    "b", "i", "tt", "big", "small", "hr",
    # Links and images
    "a", "img", "map", "area",
)
# fmt: on
_ELEMENTS = frozenset(f"{XHTML} {name}" for name in _FORMATTING)
_URL_ATTRIBUTES = frozenset(("href", "src", "cite", "longdesc", "usemap"))
# Browsers drop control characters and spaces inside a scheme.
_IGNORED_IN_URLS = re.compile(r"[\x00-\x20]+")
_RUNS = re.compile(r"(?:javascript:|vbscript:|data:(?!image/))", re.IGNORECASE)
