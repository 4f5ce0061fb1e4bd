"""The text of `_filter` as a tree, whatever type it is asked of.

https://hl7.org/fhir/R4/search_filter.html
"""

import re
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from fhir_server.search.scope import is_text

MAX_FILTER = 4_000
"""Characters of one filter."""
MAX_FILTER_DEPTH = 20
"""How deep parentheses, brackets, `not` and changes between `and` and `or` may nest; MongoDB takes 100 levels."""

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_OPERATOR = re.compile(r"[A-Za-z]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
# R4's grammar; an opening parenthesis in a value would only hide that one is not closed.
_TOKEN = re.compile(r'[^\s()\]"][^\s()\]]*')


class NotAFilter(ValueError):
    """What is wrong with the text of a filter, without any value of it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A name of a path; `filter` is what stands in brackets behind it. `at` is the number of its first character."""

    name: str
    filter: "Expression | None" = None
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path operator value`; `value` is a JSON string read, or a token as it stands."""

    path: tuple[Step, ...]
    operator: str
    value: str
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Logic:
    """Operands between which the same word stands."""

    word: Literal["and", "or"]
    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`not (operand)`."""

    operand: "Expression"


Expression = Comparison | Logic | Not


def read_expression(text: str) -> Expression:
    """The tree of a filter; `and` and `or` bind alike, from left to right. Raises NotAFilter."""
    if len(text) > MAX_FILTER:
        raise NotAFilter(f"is longer than {MAX_FILTER} characters; send several _filter parameters, which are ANDed")
    reader = _Reader(text)
    found, _ = reader.expression(0)
    reader.skip()
    if reader.at < len(text):
        raise reader.unexpected("'and', 'or' or the end")
    return found


class _Reader:
    """Reads a text from left to right; what it gives are trees with their depth."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def expression(self, outer: int) -> tuple[Expression, int]:
        """Operands and the words between them; `outer` is how deep the expression stands."""
        left, depth = self.operand(outer)
        while True:
            word = self.word()
            if word is None:
                return left, depth
            right, right_depth = self.operand(outer)
            if isinstance(left, Logic) and left.word == word:
                left = Logic(word, (*left.operands, right))
                depth = max(depth, right_depth + 1)
            else:
                left = Logic(word, (left, right))
                depth = max(depth, right_depth) + 1
            self.bound(outer + depth)

    def word(self) -> Literal["and", "or"] | None:
        self.skip()
        match = _OPERATOR.match(self.text, self.at)
        found = match[0].lower() if match else ""
        if match is None or found not in ("and", "or"):
            return None
        self.at = match.end()
        return "and" if found == "and" else "or"

    def operand(self, outer: int) -> tuple[Expression, int]:
        self.bound(outer)
        self.skip()
        if self.takes("("):
            return self.closed(")", outer)
        start = self.at
        match = _NAME.match(self.text, self.at)
        if match is not None and match[0].lower() == "not":
            self.at = match.end()
            self.skip()
            if self.takes("("):
                found, depth = self.closed(")", outer + 1)
                return Not(found), depth + 1
            self.at = start
        return self.test(outer)

    def closed(self, mark: str, outer: int) -> tuple[Expression, int]:
        found = self.expression(outer + 1)
        self.skip()
        if not self.takes(mark):
            raise self.unexpected(f"'{mark}'")
        return found

    def test(self, outer: int) -> tuple[Expression, int]:
        path, depth = self.path(outer)
        self.skip()
        match = _OPERATOR.match(self.text, self.at)
        if match is None:
            raise self.unexpected("an operator such as eq")
        self.at = match.end()
        self.skip()
        value, is_quoted = self.value()
        return Comparison(path, match[0].lower(), value, is_quoted), depth

    def path(self, outer: int) -> tuple[tuple[Step, ...], int]:
        steps: list[Step] = []
        depth = 0
        while True:
            match = _NAME.match(self.text, self.at)
            if match is None:
                raise self.unexpected("the name of a search parameter")
            self.at = match.end()
            inner: Expression | None = None
            if self.takes("["):
                inner, inner_depth = self.closed("]", outer)
                depth = max(depth, inner_depth + 1)
            steps.append(Step(match[0], inner, match.start() + 1))
            if not self.takes("."):
                if inner is not None:
                    raise self.unexpected("'.' and a search parameter of what the brackets chose")
                return tuple(steps), depth

    def value(self) -> tuple[str, bool]:
        match = _STRING.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            return self.string(match), True
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            raise self.unexpected("a value; one with spaces or brackets stands in double quotes")
        self.at = match.end()
        return match[0], False

    def string(self, match: re.Match[str]) -> str:
        try:
            found = msgspec.json.decode(match[0], type=str)
        except (msgspec.DecodeError, UnicodeError):
            raise NotAFilter(f"has a text at character {match.start() + 1} that is not a JSON string") from None
        if not is_text(found):
            raise NotAFilter(f"has a text at character {match.start() + 1} that holds a control character")
        return found

    def takes(self, mark: str) -> bool:
        if self.text.startswith(mark, self.at):
            self.at += len(mark)
            return True
        return False

    def skip(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def bound(self, depth: int) -> None:
        if depth > MAX_FILTER_DEPTH:
            raise NotAFilter(f"nests deeper than {MAX_FILTER_DEPTH} levels; put what belongs together in parentheses")

    def unexpected(self, wanted: str) -> NotAFilter:
        where = f"at character {self.at + 1}" if self.at < len(self.text) else "at its end"
        return NotAFilter(f"needs {where} {wanted}")
