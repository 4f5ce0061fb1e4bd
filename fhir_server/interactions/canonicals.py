"""References by canonical URL: which resource one names, and which references name a resource.

https://hl7.org/fhir/R4/references.html#canonical

A canonical is compared as `url|version`. With a version it names the resources of that very version, without one, where
nothing stands behind the mark, those of any.
"""

from fhir_server.definitions.parameter_set import ParameterSet
from fhir_server.search.index import URL_VERSION, parameter_leaves


def is_canonical(type: str, parameter: str, parameter_set: ParameterSet) -> bool:
    """Whether a reference parameter of a type reads canonicals, and no references by id."""
    leaves = parameter_leaves(type, parameter, parameter_set)
    return bool(leaves) and all(leaf.type in ("canonical", "uri") for leaf in leaves)


def named(text: str) -> str | None:
    """The token of the resources that a canonical `url|version` names; None for a url without the mark, which every
    canonical has in its row beside the one that counts.
    """
    url, mark, version = text.partition("|")
    if not mark:
        return None
    return URL_VERSION + text if version else f"url|{url}"


def naming(text: str) -> tuple[str, ...]:
    """The canonicals that name a resource of this `url|version`."""
    url, _, version = text.partition("|")
    return (text, f"{url}|") if version else (f"{url}|",)
