"""What patient a might send to change, move or test something of patient b: by every interaction and condition."""

from collections.abc import Iterator, Sequence
from typing import Any

from tests.auth.attacks_reading import bundle
from tests.auth.two_worlds import HIDDEN, SECRET, A, B, Sent
from tests.rest.conftest import observation
from tests.rest.writers import entry, patch_in_binary


def resource_at(place: str, **more: Any) -> dict[str, Any]:
    """Something that may be stored there by who may."""
    type, _, id = place.partition("/")
    subject = {"reference": f"Patient/{A}"}
    match type:
        case "Patient":
            made: dict[str, Any] = {"resourceType": "Patient", "name": [{"family": "Anna"}]}
        case "Goal":
            made = {"resourceType": type, "lifecycleStatus": "active", "description": {"text": "x"}, "subject": subject}
        case "Condition":
            made = {"resourceType": type, "subject": subject}
        case "AllergyIntolerance":
            made = {"resourceType": type, "patient": subject}
        case "Communication":
            made = {"resourceType": type, "status": "completed", "subject": subject}
        case _:
            made = observation(A)
            type = "Observation"
    return made | {"id": id} | more


_WRITE_HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"if-match": 'W/"1"'},
    {"if-match": 'W/"2"'},
    {"if-match": "*"},
    {"if-none-match": "*"},
    {"prefer": "return=OperationOutcome, only-changes"},
)
_JSON_PATCH = {"content-type": "application/json-patch+json"}
_PATCHES: tuple[list[dict[str, Any]], ...] = (
    [{"op": "test", "path": "/status", "value": "final"}],
    [{"op": "test", "path": "/valueString", "value": SECRET}],
    [{"op": "add", "path": "/language", "value": "en"}],
    [{"op": "replace", "path": "/subject/reference", "value": f"Patient/{A}"}],
    [{"op": "remove", "path": "/nothing"}],
)


def _updates() -> Iterator[Sent]:
    for number, place in enumerate(HIDDEN):
        for headers in _WRITE_HEADERS[number % 3 :: 3]:
            content = resource_at(place)
            yield Sent("PUT", f"{content['resourceType']}/{content['id']}", content, headers)
            yield Sent("DELETE", place, None, headers)
            yield Sent("PATCH", place, _PATCHES[0], headers | _JSON_PATCH)
        yield Sent("PUT", place, resource_at(place) | {"resourceType": place.partition("/")[0]})
        for change in _PATCHES:
            yield Sent("PATCH", place, change, _JSON_PATCH)
        yield Sent("PATCH", place, {"language": "en"}, {"content-type": "application/merge-patch+json"})


_CONDITIONS = [
    "_id=zb-1",
    "_id=zgone",
    f"subject=Patient/{B}",
    f"value-string={SECRET}",
    "status=final&_id=zb-1",
    f"patient={A}&_id=zb-1",
    "_id=za-1,zb-1",
    "code=8302-2&date=gt2100",
    "identifier=urn:x|y",
    f"_content={SECRET}",
    "performer:identifier=urn:x|y",
    f"patient.name={SECRET}",
    "_has:Provenance:target:_id=zb-provenance",
    "_list=zb-list",
]


def _conditional() -> Iterator[Sent]:
    for condition in _CONDITIONS:
        yield Sent("PUT", f"Observation?{condition}", observation("never-there"))
        yield Sent("PUT", f"Observation?{condition}", observation("never-there", id="zb-1"))
        yield Sent("PATCH", f"Observation?{condition}", _PATCHES[0], _JSON_PATCH)
        yield Sent("POST", "Observation", observation("never-there"), {"if-none-exist": condition})
        if "za-1" not in condition:
            yield Sent("DELETE", f"Observation?{condition}")
    for mrn in ("a1", "b1", "none"):
        criteria = f"identifier=urn:mrn|{mrn}"
        yield Sent("POST", "Patient", resource_at("Patient/x"), {"if-none-exist": criteria})
        yield Sent("PUT", f"Patient?{criteria}", resource_at(f"Patient/{B}"))
        yield Sent("PATCH", f"Patient?{criteria}", _PATCHES[1], _JSON_PATCH)
        if mrn != "a1":
            yield Sent("DELETE", f"Patient?{criteria}")


def _created() -> Iterator[Sent]:
    """Creates that refer to what is hidden, and updates that would."""
    for place in (*HIDDEN, "Observation/never-there", "Patient/never-there"):
        reference = {"reference": place}
        yield Sent("POST", "Observation", observation("x", subject=reference))
        yield Sent("POST", "Goal", resource_at("Goal/x", subject=reference))
        for target in (
            [reference],
            [{"reference": f"Patient/{A}"}, reference],
            [{"reference": "Observation/za-1"}, reference],
        ):
            provenance = {"resourceType": "Provenance", "target": target, "recorded": "2024-05-04T00:00:00Z"}
            yield Sent("POST", "Provenance", provenance | {"agent": [{"who": {"reference": "Practitioner/dr"}}]})
        task = {"resourceType": "Task", "status": "draft", "intent": "order", "focus": reference}
        yield Sent("POST", "Task", task)
        yield Sent("POST", "Task", task | {"for": {"reference": "Group/zall"}})
        binary = {"resourceType": "Binary", "contentType": "text/plain", "data": "QQ=="}
        yield Sent("POST", "Binary", binary | {"securityContext": reference})


def _transactions() -> Iterator[Sent]:
    fullurl = "urn:uuid:11111111-2222-4333-8444-555555555555"
    own = {"fullUrl": fullurl} | entry(
        "POST", "Goal", resource_at("Goal/x", subject={"reference": "Patient/never-there"})
    )
    del own["resource"]["id"]
    for place in HIDDEN:
        content = resource_at(place)
        at = f"{content['resourceType']}/{content['id']}"
        yield bundle("transaction", entry("PUT", at, content))
        yield bundle("transaction", entry("PUT", at, content, ifMatch='W/"1"'))
        yield bundle("transaction", entry("DELETE", place))
        change = patch_in_binary("application/json-patch+json", _PATCHES[0])
        yield bundle("transaction", entry("PATCH", place, change))
        yield bundle("batch", entry("PUT", at, content), entry("DELETE", place), entry("PATCH", place, change))
        yield bundle("transaction", entry("DELETE", place), own)
    for condition in _CONDITIONS:
        yield bundle("transaction", entry("POST", "Observation", observation("x"), ifNoneExist=condition))
        yield bundle("transaction", entry("PUT", f"Observation?{condition}", observation("x")))
        if "za-1" not in condition:
            yield bundle("transaction", entry("DELETE", f"Observation?{condition}"), own)
    for reference in (
        "Patient?identifier=urn:mrn|b1",
        "Patient?identifier=urn:mrn|a1",
        f"Patient?name={SECRET}",
        "Patient?_id=" + B,
        "Group?_id=zall",
        "Observation?_id=zb-1",
    ):
        goal = resource_at("Goal/x", addresses=[{"reference": reference}])
        del goal["id"]
        yield bundle("transaction", entry("POST", "Goal", goal))
        yield bundle("transaction", entry("POST", "Goal", goal | {"subject": {"reference": reference}}))


WRITES: dict[str, Sequence[Sent]] = {
    "by id": list(_updates()),
    "by condition": list(_conditional()),
    "by reference": list(_created()),
    "by transaction": list(_transactions()),
}
