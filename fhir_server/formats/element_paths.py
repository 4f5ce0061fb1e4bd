"""The FHIRPath that names elements of one resource: names, positions and conditions, in the form patches use.

https://hl7.org/fhir/R4/fhirpatch.html, http://hl7.org/fhirpath/N1/
"""

import re
from dataclasses import dataclass
from decimal import Decimal

SHAPES = (
    "Type.element.element",
    "element[n], .first(), .last(), .single()",
    ".where(element = 'text' and other.exists())",
    ".extension('url')",
    ".ofType(Type)",
)
"""What paths are made of."""
MAX_CHARACTERS = 1_000
_MAX_NESTING = 20


class NotReadable(ValueError):
    """The path has a shape that is not known here."""


@dataclass(frozen=True, slots=True)
class Member:
    """`.name`: an element, or whichever form of a `name[x]` is there."""

    name: str


@dataclass(frozen=True, slots=True)
class At:
    """`[n]`, `.first()` as 0, `.last()` as -1."""

    index: int


@dataclass(frozen=True, slots=True)
class OfType:
    """`.ofType(X)` and `.as(X)`."""

    type: str


@dataclass(frozen=True, slots=True)
class Compared:
    """`path = literal`; `!=` where it must not be equal."""

    path: "Steps"
    literal: str | Decimal | bool
    is_equal: bool = True


@dataclass(frozen=True, slots=True)
class Present:
    """`path.exists()`, or `path.empty()`."""

    path: "Steps"
    exists: bool


@dataclass(frozen=True, slots=True)
class Both:
    """`and`."""

    conditions: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    """`or`."""

    conditions: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Where:
    """`.where(condition)`."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Single:
    """`.single()`: more than one is an error."""


Condition = Compared | Present | Both | Either
Step = Member | At | OfType | Where | Single
Steps = tuple[Step, ...]

_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[A-Za-z_]\w*)|`(?P<quoted>[^`\\]+)`|(?P<number>-?\d+(?:\.\d+)?)|'(?P<text>(?:[^'\\]|\\.)*)'"""
    r"""|(?P<symbol>!=|[.()\[\]=]|\$this|%resource))""",
    re.ASCII,
)
_VALUE = re.compile(r"'(?:[^'\\]|\\.)*'?|(?<==)\s*-?\d[\d.]*", re.ASCII | re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_PRESENCE = ("exists", "empty")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


def read_path(text: str) -> tuple[str | None, Steps]:
    """The resource type a path begins with, if it does, and its steps below the resource. Raises NotReadable."""
    if len(text) > MAX_CHARACTERS:
        raise NotReadable(f"it is longer than {MAX_CHARACTERS} characters")
    reader = _Reader(text)
    is_typed = reader.peek_kind() == "name" and reader.peek()[:1].isupper()
    root = reader.next()[1] if is_typed else None
    has_root = is_typed or reader.take("%resource")
    steps: Steps = ()
    if reader.has_more() or not has_root:
        if has_root:
            reader.expect(".")
        steps = reader.steps()
    if reader.has_more():
        raise NotReadable(f"{reader.shown()} is not understood there")
    return root, steps


def without_values(text: str) -> str:
    """A path as it may be repeated in a message: what elements are compared with is often health data."""
    return _VALUE.sub("…", text)


class _Reader:
    """Recursive descent over the tokens of one path: pairs of their kind and text."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.position = 0
        self.nesting = 0
        start, end = 0, len(text.rstrip())
        while start < end:
            match = _TOKEN.match(text, start)
            if match is None:
                raise NotReadable(f"character {start + 1} begins nothing that is known here")
            kind = match.lastgroup or ""
            self.tokens.append(("name" if kind == "quoted" else kind, match[kind]))
            start = match.end()

    def has_more(self) -> bool:
        return self.position < len(self.tokens)

    def peek(self) -> str:
        return self.tokens[self.position][1] if self.has_more() else ""

    def peek_kind(self) -> str:
        return self.tokens[self.position][0] if self.has_more() else ""

    def shown(self) -> str:
        """The next token as it may be repeated in a message."""
        return "a value" if self.peek_kind() in ("text", "number") else f"'{self.peek()[:20]}'"

    def next(self) -> tuple[str, str]:
        if not self.has_more():
            raise NotReadable("it ends too early")
        self.position += 1
        return self.tokens[self.position - 1]

    def take(self, text: str, kind: str = "symbol") -> bool:
        """Go past a token, if it comes next."""
        if self.peek_kind() == kind and self.peek() == text:
            self.position += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise NotReadable(f"'{text}' is missing{f' before {self.shown()}' if self.has_more() else ''}")

    def steps(self) -> Steps:
        found = self.step()
        while True:
            if self.take("["):
                kind, number = self.next()
                if kind != "number" or not number.isdigit():
                    raise NotReadable("a position in brackets is a number from 0 on")
                self.expect("]")
                found.append(At(int(number)))
            elif not self.take(".") or self.peek() in _PRESENCE:
                return tuple(found)
            else:
                found += self.step()

    def step(self) -> list[Step]:
        if self.has_more() and self.peek_kind() != "name":
            raise NotReadable(f"a name is missing before {self.shown()}")
        _, name = self.next()
        return self.function(name) if self.take("(") else [Member(name)]

    def function(self, name: str) -> list[Step]:
        found: list[Step]
        match name:
            case "first" | "last":
                found = [At(0 if name == "first" else -1)]
            case "single":
                found = [Single()]
            case "where":
                found = [Where(self.condition())]
            case "extension":
                found = [Member("extension"), Where(Compared((Member("url"),), self.text()))]
            case "ofType" | "as":
                found = [OfType(self.next()[1])]
            case _:
                raise NotReadable(f"the function {name[:20]}() is not taken in a patch")
        self.expect(")")
        return found

    def text(self) -> str:
        kind, text = self.next()
        if kind != "text":
            raise NotReadable("a text in single quotes is missing")
        return _unescaped(text)

    def condition(self) -> Condition:
        self.nesting += 1
        if self.nesting > _MAX_NESTING:
            raise NotReadable("its conditions nest too deep")
        found = [self.conjunction()]
        while self.take("or", "name"):
            found.append(self.conjunction())
        self.nesting -= 1
        return found[0] if len(found) == 1 else Either(tuple(found))

    def conjunction(self) -> Condition:
        found = [self.term()]
        while self.take("and", "name"):
            found.append(self.term())
        return found[0] if len(found) == 1 else Both(tuple(found))

    def term(self) -> Condition:
        if self.take("("):
            inner = self.condition()
            self.expect(")")
            return inner
        path = self.operand()
        if self.peek() in _PRESENCE:
            _, name = self.next()
            self.expect("(")
            self.expect(")")
            return Present(path, name == "exists")
        if self.take("="):
            return Compared(path, self.literal())
        if self.take("!="):
            return Compared(path, self.literal(), False)
        raise NotReadable("a condition is element = literal, element != literal or element.exists()")

    def operand(self) -> Steps:
        """What a condition is about: `$this` is the element itself."""
        if not self.take("$this"):
            return self.steps()
        return self.steps() if self.take(".") and self.peek() not in _PRESENCE else ()

    def literal(self) -> str | Decimal | bool:
        kind, text = self.next()
        match kind:
            case "text":
                return _unescaped(text)
            case "number":
                return Decimal(text)
            case "name" if text in ("true", "false"):
                return text == "true"
        raise NotReadable("an element is compared with a text in single quotes, a number, true or false")


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2]), text)
