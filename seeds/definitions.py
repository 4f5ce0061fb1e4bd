"""Our own code systems, naming systems and extensions, from profiles/federal: what the federal record needs beyond
what HL7 and US Core define."""

import json
from importlib.resources import files

from seeds.chart import meta
from seeds.model import Agency, Resource


def resources(population: str = "demo") -> list[Resource]:
    """The files of profiles/federal by name, marked as part of the population."""
    folder = files("profiles") / "federal"
    found = []
    for path in sorted(folder.iterdir(), key=lambda each: each.name):
        if path.name.endswith(".json"):
            content: Resource = json.loads(path.read_text("utf-8"))
            head = {name: content.pop(name) for name in ("resourceType", "id")}
            found.append({**head, "meta": meta(population, Agency.DOD), **content})
    return found
