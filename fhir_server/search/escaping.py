"""The four escapes of search values: `\\,` `\\|` `\\$` `\\\\`.

https://hl7.org/fhir/R4/search.html#escaping
"""

import re

_ESCAPED = re.compile(r"\\([,|$\\])")
_CUT = {mark: re.compile(rf"((?:\\.|[^\\{mark}]|\\\Z)*)(?:[{mark}]|\Z)", re.DOTALL) for mark in ",|$"}


def split_unescaped(text: str, mark: str) -> list[str]:
    """The text cut at each `mark` ("," "|" or "$") that no backslash precedes; escapes stay in the parts."""
    if "\\" not in text:
        return text.split(mark)
    parts, at, pattern = [], 0, _CUT[mark]
    while True:
        match = pattern.match(text, at)
        # The pattern takes any text, the empty one among it.
        assert match is not None
        parts.append(match[1])
        if match.end() == match.end(1):
            return parts
        at = match.end()


def unescape(text: str) -> str:
    """The text meant; a backslash before anything but the four stands for itself."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
