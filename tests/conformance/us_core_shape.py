"""Whether resources have the shape of the US Core profiles they claim.

Checked: cardinality, fixed and pattern values, slices, types of choices, required bindings that can be enumerated,
types of references and what the target claims. Not checked: invariants (FHIRPath), bindings of other strengths, what R4
itself asks (`fhir_server.validation` does).
https://hl7.org/fhir/us/core/STU7/general-requirements.html
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.us_core_guide import BASE, Codes, Guide, Node

SERVER_SETS = ("meta", "meta.lastUpdated")
"""Must-support elements that a server writes, not who makes the resource."""


@dataclass(frozen=True, slots=True, order=True)
class Miss:
    """Where a resource misses what a profile asks: resource, last part of the profile's canonical, element, words."""

    resource: str
    profile: str
    element: str
    words: str


@dataclass(slots=True)
class Shape:
    """The check of a population: `misses` of its resources, `used` must-support elements by profile."""

    guide: Guide
    resources: Mapping[str, dict[str, Any]]
    misses: list[Miss] = field(default_factory=list)
    used: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def check(self) -> None:
        """Check each resource against each profile of the guide that it claims."""
        for reference, resource in self.resources.items():
            for canonical in resource.get("meta", {}).get("profile", ()):
                url = canonical.partition("|")[0]
                if url in self.guide.profiles:
                    _Check(self, reference, url).run(resource)

    def unused(self) -> dict[str, list[str]]:
        """For each profile that is claimed, its must-support elements that no resource has."""
        found = {}
        for url, used in self.used.items():
            wanted = [node.id for node in self.guide.profiles[url].walk() if node.is_must_support]
            missing = [id for id in wanted if id not in used and id.partition(".")[2] not in SERVER_SETS]
            if missing:
                found[url.rpartition("/")[2]] = missing
        return found


@dataclass(frozen=True, slots=True)
class _Check:
    """One resource against one profile."""

    shape: Shape
    reference: str
    url: str

    def run(self, resource: dict[str, Any]) -> None:
        root = self.shape.guide.profiles[self.url]
        self.shape.used[self.url].add(root.id)
        self._children(root, resource, root.id)

    def _children(self, node: Node, value: dict[str, Any], path: str) -> None:
        for name, child in node.children.items():
            found = list(_values(value, name))
            self._count(child, len(found), f"{path}.{name}")
            for type_name, each in found:
                self._value(child, type_name, each, f"{path}.{name}")
            for extended in _extended(value, name):
                self._children(child, extended, f"{path}.{name}")
            for slice_name, sliced in child.slices.items():
                self._slice(child, sliced, found, f"{path}.{name}:{slice_name}")

    def _slice(self, node: Node, sliced: Node, found: list[tuple[str, Any]], path: str) -> None:
        members = [each for each in found if self._is_member(node, sliced, *each)]
        self._count(sliced, len(members), path)
        for type_name, each in members:
            self._value(sliced, type_name, each, path)

    def _value(self, node: Node, type_name: str, value: Any, path: str) -> None:
        if node.is_must_support:
            self.shape.used[self.url].add(node.id)
        if node.name.endswith("[x]") and type_name not in node.types:
            self._miss(path, f"is a {type_name}, not one of {', '.join(node.types)}")
        if node.fixed is not None and value != node.fixed:
            self._miss(path, f"is {value!r}, not the fixed {node.fixed!r}")
        if node.pattern is not None and not _fits(value, node.pattern):
            self._miss(path, f"lacks the pattern {node.pattern!r}")
        codes = self.shape.guide.codes(node.required) if node.required else None
        if codes is not None and not _is_coded(value, codes):
            self._miss(path, f"has no code of {node.required}")
        if isinstance(value, dict):
            if "Reference" in node.types and node.targets:
                self._target(node, value, path)
            self._children(node, value, path)
            self._extension(node, value)

    def _extension(self, node: Node, value: dict[str, Any]) -> None:
        for profile in node.types.get("Extension", ()):
            tree = self.shape.guide.profiles.get(profile)
            if tree is not None and value.get("url") == profile:
                _Check(self.shape, self.reference, profile).run(value)

    def _target(self, node: Node, value: dict[str, Any], path: str) -> None:
        """A literal reference leads to a resource that is there, of an allowed type, with an allowed profile."""
        reference = value.get("reference", "")
        if not reference or reference.startswith(("#", "urn:", "http")):
            return
        target = self.shape.resources.get(reference)
        if target is None:
            self._miss(path, f"leads to {reference}, which is not there")
            return
        type_name = reference.partition("/")[0]
        allowed = [url for url in node.targets if self._target_type(url) in (type_name, "Resource")]
        claimed = [url.partition("|")[0] for url in target.get("meta", {}).get("profile", ())]
        if not allowed:
            self._miss(path, f"leads to a {type_name}")
        elif not any(url.startswith(BASE) or url in claimed for url in allowed):
            self._miss(path, f"leads to {reference}, which does not claim {allowed[0].rpartition('/')[2]}")

    def _target_type(self, url: str) -> str:
        return self.shape.guide.types.get(url) or url.removeprefix(BASE)

    def _is_member(self, node: Node, sliced: Node, type_name: str, value: Any) -> bool:
        """Whether a value belongs to a slice, by the discriminators of what is sliced."""
        return all(self._is_discriminated(kind, path, sliced, type_name, value) for kind, path in node.discriminators)

    def _is_discriminated(self, kind: str, path: str, sliced: Node, type_name: str, value: Any) -> bool:
        if kind == "type":
            return type_name in sliced.types
        if path == "url":
            return bool(value.get("url") in sliced.types.get("Extension", ()) or value.get("url") == _url(sliced))
        node, values = sliced, [value]
        for name in () if path == "$this" else path.split("."):
            node = node.children[name]
            values = [each for one in values for _, each in _values(one, name)]
        return any(self._is_discriminating(node, each) for each in values)

    def _is_discriminating(self, node: Node, value: Any) -> bool:
        if node.fixed is not None:
            return bool(value == node.fixed)
        if node.pattern is not None:
            return _fits(value, node.pattern)
        codes = self.shape.guide.codes(node.required) if node.required else None
        return codes is not None and _is_coded(value, codes)

    def _count(self, node: Node, count: int, path: str) -> None:
        if count < node.least:
            self._miss(path, f"is there {count} times, at least {node.least} asked")
        if node.most is not None and count > node.most:
            self._miss(path, f"is there {count} times, at most {node.most} allowed")

    def _miss(self, path: str, words: str) -> None:
        self.shape.misses.append(Miss(self.reference, self.url.rpartition("/")[2], path, words))


def by_reference(resources: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Resources by `Type/id`."""
    return {f"{each['resourceType']}/{each['id']}": each for each in resources}


def _values(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The values of an element with the type that the name says: `Quantity` of `value[x]`, else nothing.

    A primitive that has nothing but extensions counts as there.
    """
    if not isinstance(value, dict):
        return
    stem = name.removesuffix("[x]")
    for key, found in value.items():
        plain = key.removeprefix("_")
        is_choice = stem != name and plain.startswith(stem) and plain[len(stem) : len(stem) + 1].isupper()
        if plain != name and not is_choice:
            continue
        if key != plain and plain in value:
            continue
        type_name = plain.removeprefix(stem)
        type_name = type_name if type_name in _COMPLEX else type_name[:1].lower() + type_name[1:]
        for each in found if isinstance(found, list) else [found]:
            yield type_name, each


def _extended(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """What stands beside the value of a primitive: its id and extensions."""
    beside = value.get(f"_{name}", [])
    return [each for each in (beside if isinstance(beside, list) else [beside]) if each]


_COMPLEX = frozenset(
    {"Quantity", "CodeableConcept", "Range", "Ratio", "SampledData", "Period", "Timing", "Age", "Duration", "Reference"}
    | {"Coding", "Attachment", "Identifier", "Address", "ContactPoint", "HumanName", "Money", "Annotation", "Dosage"}
)


def _url(node: Node) -> Any:
    """The fixed url of a slice of extensions that is written out in its profile."""
    child = node.children.get("url")
    return child.fixed if child else None


def _fits(value: Any, pattern: Any) -> bool:
    """Whether a value has all that a pattern has; each item of the pattern's lists is somewhere in the value's."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(_fits(value.get(name), part) for name, part in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(_fits(each, part) for each in value) for part in pattern)
    return bool(value == pattern)


def _is_coded(value: Any, codes: Codes) -> bool:
    """Whether a code, Coding, CodeableConcept or Quantity has a code of a value set, or says why it has none."""
    if isinstance(value, str):
        return any(allowed is None or value in allowed for allowed in codes.values())
    if not isinstance(value, dict):
        return False
    for coding in value.get("coding", [value]):
        system, code = coding.get("system"), coding.get("code")
        if system in codes:
            allowed = codes[system]
            if allowed is None or code in allowed:
                return True
    return "extension" in value and "coding" not in value
