"""Reads the FHIRPath of search parameters into steps: the six shapes that occur, and nothing else.

https://hl7.org/fhir/R4/searchparameter.html#SearchParameter.expression, http://hl7.org/fhirpath/N1/
"""

import re
from dataclasses import dataclass


class NotReadable(ValueError):
    """The expression has a shape that is not known here."""


@dataclass(frozen=True, slots=True)
class Member:
    """`.name`: an element, or all forms of a `name[x]`."""

    name: str


@dataclass(frozen=True, slots=True)
class OfType:
    """`as X`, `.as(X)`, `.ofType(X)`."""

    type: str


@dataclass(frozen=True, slots=True)
class Where:
    """`.where(member='literal')`."""

    member: str
    literal: str


@dataclass(frozen=True, slots=True)
class OfTarget:
    """`.where(resolve() is X)`: references to a resource type, judged by the reference alone."""

    type: str


@dataclass(frozen=True, slots=True)
class At:
    """`[n]`."""

    index: int


@dataclass(frozen=True, slots=True)
class IsPresent:
    """`x.exists() and x != false`: true or false, also where `x` is absent."""


Step = Member | OfType | Where | OfTarget | At | IsPresent
Path = tuple[Step, ...]

_TOKEN = re.compile(r"\s*(?:([A-Za-z_]\w*|\d+|!=|[().\[\]|=])|'((?:[^'\\]|\\.)*)')")
_PRESENT = re.compile(r"\s*([A-Za-z_][\w.]*)\.exists\(\)\s+and\s+\1\s*!=\s*false\s*")


def read_expression(expression: str) -> tuple[Path, ...]:
    """The paths of a union, each as its steps. Raises NotReadable."""
    present = _PRESENT.fullmatch(expression)
    if present:
        return ((*map(Member, present[1].split(".")), IsPresent()),)
    reader = _Reader(expression)
    paths = reader.union()
    if reader.peek() is not None:
        raise NotReadable(expression)
    return paths


class _Reader:
    """Recursive descent over the tokens of one expression; a quoted text keeps its leading quote as its mark."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens: list[str] = []
        self.position = 0
        end = len(expression.rstrip())
        at = 0
        while at < end:
            match = _TOKEN.match(expression, at)
            if match is None:
                raise NotReadable(expression)
            self.tokens.append(match[1] if match[1] is not None else "'" + match[2])
            at = match.end()

    def peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def take(self, wanted: str | None = None) -> str:
        token = self.peek()
        if token is None or (wanted is not None and token != wanted):
            raise NotReadable(self.expression)
        self.position += 1
        return token

    def word(self) -> str:
        token = self.take()
        if not token.isidentifier():
            raise NotReadable(self.expression)
        return token

    def quoted(self) -> str:
        token = self.take()
        if not token.startswith("'"):
            raise NotReadable(self.expression)
        return re.sub(r"\\(.)", r"\1", token[1:])

    def number(self) -> int:
        token = self.take()
        if not token.isdigit():
            raise NotReadable(self.expression)
        return int(token)

    def union(self) -> tuple[Path, ...]:
        paths = self.operand()
        while self.peek() == "|":
            self.take()
            paths += self.operand()
        return paths

    def operand(self) -> tuple[Path, ...]:
        paths = self.term()
        if self.peek() == "as":
            self.take()
            return _extended(paths, (_of_type(self.word()),))
        return paths

    def term(self) -> tuple[Path, ...]:
        paths: tuple[Path, ...]
        if self.peek() == "(":
            self.take()
            paths = self.union()
            self.take(")")
        else:
            paths = ((Member(self.word()),),)
        while self.peek() in (".", "["):
            if self.take() == "[":
                paths = _extended(paths, (At(self.number()),))
                self.take("]")
            else:
                paths = _extended(paths, self.invocation())
        return paths

    def invocation(self) -> Path:
        name = self.word()
        if self.peek() != "(":
            return (Member(name),)
        self.take()
        steps = self.called(name)
        self.take(")")
        return steps

    def called(self, function: str) -> Path:
        match function:
            case "as" | "ofType":
                return (_of_type(self.word()),)
            case "extension":
                return (Member("extension"), Where("url", self.quoted()))
            case "where":
                return self.condition()
        raise NotReadable(self.expression)

    def condition(self) -> Path:
        name = self.word()
        if name != "resolve":
            self.take("=")
            return (Where(name, self.quoted()),)
        self.take("(")
        self.take(")")
        self.take("is")
        return (OfTarget(self.word()),)


_MISSPELT = {"DateTime": "dateTime"}
"""Types as R4 writes them by mistake (Observation's code-value-date)."""


def _of_type(name: str) -> OfType:
    return OfType(_MISSPELT.get(name, name))


def _extended(paths: tuple[Path, ...], steps: Path) -> tuple[Path, ...]:
    return tuple(path + steps for path in paths)
