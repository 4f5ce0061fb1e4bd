"""What references mean in a resource that a transaction patches: https://hl7.org/fhir/R4/http.html#trules"""

from typing import Any

from fhir_server.interactions.bundle_references import linked
from fhir_server.interactions.patch import Patched, Source
from fhir_server.interactions.transaction_patches import links_in, referred_anew

OTHER = "http://other.example.org/fhir"
LINKS = {f"{OTHER}/Patient/1": "Patient/p1", f"{OTHER}/Patient/2": "Patient/p2", "urn:uuid:a": "Patient/a"}


def observation(*references: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "focus": [{"reference": text} for text in references]}


def focus(before: list[str], after: list[str], full_url: str | None = None) -> list[str]:
    patched = Patched(Source("Observation", "o", 1, b""), observation(*before), observation(*after))
    made = linked(patched.resource, links_in(patched, LINKS), full_url, referred_anew(patched))
    return [each["reference"] for each in made["focus"]]


def test_what_is_added_refers_to_entries_by_their_full_url() -> None:
    added = [f"{OTHER}/Patient/1", "urn:uuid:a", f"{OTHER}/Patient/2#x"]
    assert focus([], added) == ["Patient/p1", "Patient/a", "Patient/p2#x"]


def test_references_that_the_patch_leaves_alone_stay_as_they_are() -> None:
    kept = [f"{OTHER}/Patient/1", f"{OTHER}/Patient/1#x", "urn:uuid:b"]
    assert focus(kept, [*kept, "urn:uuid:a"]) == [*kept, "Patient/a"]


def test_relative_references_that_were_there_are_not_looked_up_beside_the_entry() -> None:
    assert focus(["Patient/1"], ["Patient/1", "Patient/2"], f"{OTHER}/Observation/9") == ["Patient/1", "Patient/p2"]
