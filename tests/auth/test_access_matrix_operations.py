"""Who may call which operation on whose record: the same table as of reads, with what each operation needs besides.

https://hl7.org/fhir/R4/operations.html, docs/adr/0014-access-inside-the-query.md
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fhir_server.definitions.own_operations import OWN_OPERATIONS
from tests.auth.matrix import Matrix, matrix_server
from tests.auth.matrix_expectations import CALLERS, table
from tests.auth.matrix_records import SECRET
from tests.auth.two_worlds import Sent

VISIT = {
    "resourceType": "Appointment",
    "status": "proposed",
    "slot": [{"reference": "Slot/free"}],
    "participant": [{"actor": {"reference": "Patient/anna"}, "status": "accepted", "required": "required"}],
}
SENT_VISIT = {"resourceType": "Parameters", "parameter": [{"name": "appt-resource", "resource": VISIT}]}
CALLS: dict[str, Sent] = {
    "everything": Sent("GET", "Patient/anna/$everything"),
    "summary": Sent("GET", "Patient/anna/$summary"),
    "record-pdf": Sent("GET", "Patient/anna/$record-pdf"),
    "ccd": Sent("GET", "Patient/anna/$ccd"),
    "docref": Sent("GET", "DocumentReference/$docref?patient=anna"),
    "current-medications": Sent("GET", "Patient/anna/$current-medications"),
    "mark-read": Sent("POST", "Communication/message/$mark-read", {"resourceType": "Parameters"}),
    "unread": Sent("GET", "Communication/$unread"),
    "find": Sent("GET", "Appointment/$find"),
    "hold": Sent("POST", "Appointment/$hold", SENT_VISIT),
    "book": Sent("POST", "Appointment/$book", SENT_VISIT),
}

EXPECTED = table("""
who          everything summary record-pdf ccd docref current-medications mark-read unread find hold book
nobody       U          U       U          U   U      U                   U         U      U    U    U
patient      S          S       S          S   S      S                   S         S      S    X    X
account      S          S       S          S   S      S                   F         F      S    X    X
proxy        S          S       S          S   S      S                   F         F      S    X    X
relative     S          S       S          S   S      S                   S         S      S    X    X
for-relative S          S       S          S   S      S                   S         S      S    X    X
level-one    F          F       F          F   F      F                   F         F      F    F    F
granular     F          F       F          F   F      F                   F         F      F    F    F
other-type   F          F       F          F   F      F                   F         F      F    F    F
lost         -          -       -          -   -      E                   F         F      S    F    F
forged       F          F       F          F   F      F                   F         F      F    F    F
treating     S          S       S          S   S      S                   S         S      S    X    X
stranger     -          -       -          -   -      E                   -         E      S    F    F
launched     S          S       S          S   S      S                   S         S      S    X    X
mislaunched  -          -       -          -   -      E                   -         E      S    F    F
glass        -          -       -          -   -      E                   -         E      S    F    F
system       S          S       S          S   S      S                   F         F      S    X    X
emergency    S          S       S          S   S      S                   F         F      S    X    X
agency       S          S       S          S   S      S                   F         F      S    X    X
for-one      S          S       S          S   S      S                   F         F      S    X    X
officer      -          -       -          -   -      E                   F         F      E    F    F
admin        S          S       S          S   S      S                   F         F      S    X    X
""")
"""S: answered. E: answered, with nothing in it. -: as if the patient, or the message, were not there. F: no scope is
for it, or the caller is nobody who could ask. X: it may be asked, and this slot is none. U: no token.

Messages are marked and counted by whoever is a person to the records: `account` and `proxy` say no `fhirUser`.
"""

STATUSES = {"S": 200, "E": 200, "-": 404, "F": 403, "X": 422, "U": 401}


@pytest_asyncio.fixture(scope="module")
async def matrix(mongodb_uri: str) -> AsyncIterator[Matrix]:
    async with matrix_server(mongodb_uri) as found:
        yield found


def test_every_operation_and_every_caller_is_in_the_table() -> None:
    assert set(CALLS) == {each.code for each in OWN_OPERATIONS}
    assert set(EXPECTED) == set(CALLERS)
    assert all(set(row) == set(CALLS) for row in EXPECTED.values())


@pytest.mark.parametrize("who", CALLERS)
async def test_each_calls_what_the_table_says(matrix: Matrix, who: str) -> None:
    wrong = []
    for name, sent in CALLS.items():
        answer, letter = await matrix.answer(who, sent), EXPECTED[who][name]
        if answer.status_code != STATUSES[letter]:
            wrong.append(f"${name}: {answer.status_code} and not {STATUSES[letter]}")
        if letter != "S":
            assert SECRET not in answer.text, (who, name)
        if letter == "E":
            assert "entry" not in answer.json(), (who, name)
    assert not wrong, wrong


@pytest.mark.parametrize("who", CALLERS)
async def test_no_operation_tells_whether_a_patient_out_of_sight_is_there(matrix: Matrix, who: str) -> None:
    """Ben is in nobody's sight but in that of who broke the glass, of systems and of administrators."""
    if EXPECTED[who]["everything"] == "S" and CALLERS[who] is not None and CALLERS[who].kind in ("system", "admin"):  # type: ignore[union-attr]
        return
    if who == "glass":
        return
    for name in ("everything", "summary", "record-pdf", "ccd", "current-medications"):
        told = []
        for id in ("ben", "never-was"):
            answer = await matrix.answer(who, Sent("GET", f"Patient/{id}/${name}"))
            text = answer.text.replace(id, "ID").replace(answer.headers.get("x-request-id", "-"), "REQUEST")
            told.append((answer.status_code, text))
        assert told[0] == told[1], (who, name)
