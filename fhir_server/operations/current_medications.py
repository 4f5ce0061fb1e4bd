"""`$current-medications`: what a patient is ordered to take now, with the refills that are left.

docs/adr/0034-medicines.md
"""

from urllib.parse import parse_qsl, urlsplit

from fhir_server.care.medications import is_expired, is_order, remaining
from fhir_server.care.refills import with_remaining
from fhir_server.core import outcome
from fhir_server.core.codec import decode, encode
from fhir_server.core.instant import now
from fhir_server.core.reference import is_id
from fhir_server.core.resource import Resource
from fhir_server.interactions.context import Answer, RequestContext
from fhir_server.interactions.medicine_facts import REQUEST, picture
from fhir_server.interactions.operation import Call
from fhir_server.interactions.search import search
from fhir_server.search.parameter_types.date import to_milliseconds

_MOST_PAGES = 10


async def current_medications(context: RequestContext, call: Call) -> Answer:
    """200 with a searchset of the active orders that the caller may see and that have not expired, each with extensions
    that count the refills left and say until when; of a patient out of sight it is empty.

    Raises FhirError 403 where MedicationRequest was not granted, 400 for an id that can be none.
    """
    if not is_id(call.id):
        raise outcome.BAD_ID("What stands behind Patient cannot be an id: letters, digits, '-' and '.', 64 at most.")
    moment = to_milliseconds(now())
    entries = [
        each
        for each in await _entries(context, call.id)
        if is_order(each["resource"]) and not is_expired(each["resource"], moment)
    ]
    look = await picture(context, (), [each["resource"]["id"] for each in entries])
    for entry in entries:
        order, id = entry["resource"], entry["resource"]["id"]
        left = remaining(order, look.dispenses(id), look.tasks(id, "refill").values(), context.own_bases)
        entry["resource"] = with_remaining(order, left, order)
    bundle: Resource = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(entries),
        "link": [{"relation": "self", "url": f"{context.base}/Patient/{call.id}/$current-medications"}],
    }
    return Answer(200, encode(bundle | {"entry": entries} if entries else bundle))


async def _entries(context: RequestContext, patient: str) -> list[Resource]:
    """The entries of a search for them, by which it is noted too what the caller was shown."""
    found: list[Resource] = []
    pairs = [("patient", f"Patient/{patient}"), ("status", "active"), ("intent", "order"), ("_count", "1000")]
    for _ in range(_MOST_PAGES):
        page = decode((await search(context, REQUEST, pairs)).body or b"{}")
        found += [each for each in page.get("entry", ()) if each["resource"]["resourceType"] == REQUEST]
        following = next((each["url"] for each in page.get("link", ()) if each["relation"] == "next"), None)
        if following is None:
            break
        pairs = parse_qsl(urlsplit(following).query)
    return found
