"""What somebody is called in a list: the name in use.

https://hl7.org/fhir/R4/datatypes.html#HumanName
"""

from fhir_server.core.resource import Resource

_USES = {"usual": 0, "official": 1, "old": 3, "maiden": 3}


def name_in_use(resource: Resource) -> str | None:
    """The official or usual name before others, never an old one if there is another; None without a name."""
    names = sorted(resource.get("name", ()), key=lambda each: _USES.get(each.get("use", ""), 2))
    for name in names:
        parts = [*name.get("prefix", ()), *name.get("given", ()), name.get("family"), *name.get("suffix", ())]
        text = name.get("text") or " ".join(part for part in parts if part)
        if text:
            return str(text)
    return None
