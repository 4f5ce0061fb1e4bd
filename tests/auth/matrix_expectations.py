"""Who may do what with which record: the expectations of the access matrix, as tables to be read.

https://hl7.org/fhir/R4/security.html#authorization, docs/adr/0014-access-inside-the-query.md
"""

from collections.abc import Mapping
from dataclasses import replace

from smart_auth.access import AccessContext, Kind, ResourceScope
from tests.rest.access import scopes
from tests.rest.narrowing import LABORATORY

VA = "urn:agency:va"
LETTERS = frozenset("cruds")


def _of(kind: Kind, granted: str, **more: object) -> AccessContext:
    return replace(AccessContext(f"{kind} {granted}", "app", kind, scopes(granted)), **more)  # type: ignore[arg-type]


_ANNA = {"fhir_user": "Patient/anna", "patients": ("anna",), "patient": "anna"}
_OLGA = {"fhir_user": "Patient/olga", "patients": ("olga",)}
"""Anna's relative: that she acts for anna stands in the records alone (matrix_records.py)."""
_DOCTOR = {"fhir_user": "Practitioner/dr"}
_LABORATORY = (("category", LABORATORY),)

CALLERS: Mapping[str, AccessContext | None] = {
    "nobody": None,
    "patient": _of("patient", "patient/*.cruds", **_ANNA),
    "account": _of("patient", "user/*.cruds", patients=("anna",)),
    "proxy": _of("patient", "user/*.cruds", patients=("anna", "carl")),
    "relative": _of("patient", "user/*.cruds", **_OLGA),
    "for-relative": _of("patient", "patient/*.cruds", patient="anna", **_OLGA),
    "level-one": replace(_of("patient", "patient/*.cruds user/*.cruds", **_ANNA), acr="level1"),
    "granular": replace(
        _of("patient", "", **_ANNA), scopes=(ResourceScope("patient", "Observation", LETTERS, _LABORATORY),)
    ),
    "other-type": _of("patient", "patient/Condition.cruds", **_ANNA),
    "lost": _of("patient", "patient/*.cruds"),
    "forged": _of("patient", "system/*.cruds", **_ANNA),
    "treating": _of("practitioner", "user/*.cruds", **_DOCTOR),
    "stranger": _of("practitioner", "user/*.cruds", fhir_user="Practitioner/stranger"),
    "launched": _of("practitioner", "patient/*.cruds", patient="anna", **_DOCTOR),
    "mislaunched": _of("practitioner", "patient/*.cruds", patient="ben", **_DOCTOR),
    "glass": _of(
        "practitioner",
        "user/*.cruds",
        fhir_user="Practitioner/stranger",
        patient="ben",
        emergency=True,
        purposes=("BTG",),
    ),
    "system": _of("system", "system/*.cruds"),
    "emergency": _of("system", "system/*.cruds", purposes=("ETREAT",)),
    "agency": _of("system", "system/*.cruds", agency=VA),
    "for-one": _of("system", "system/*.cruds", patient="anna", agency=VA),
    "officer": _of("officer", "user/*.cruds"),
    "admin": _of("admin", "user/*.cruds"),
}

SUBJECTS: Mapping[str, str] = {"glass": "ben"}
"""For whom a caller writes, where that is not anna."""


def table(text: str) -> dict[str, dict[str, str]]:
    """Rows by their first word, and cells by the words above them."""
    (_, *names), *rows = (line.split() for line in text.strip().splitlines())
    return {who: dict(zip(names, cells, strict=True)) for who, *cells in rows}


def _beside(*tables: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {who: {name: cell for table in tables for name, cell in table[who].items()} for who in tables[0]}


SIGHT = _beside(
    table("""
who          own child foreign nobodys shared denied deleted moved restricted other-category missing kept-shared
nobody       U   U     U       U       U      U      U       U     U          U              U   U
patient      S   -     -       -       S      -      G       1     S          S              -   -
account      S   -     -       -       S      -      G       1     S          S              -   -
proxy        S   S     -       -       S      -      G       1     S          S              -   -
relative     S   -     -       -       S      -      G       1     S          S              -   -
for-relative S   -     -       -       S      -      G       1     S          S              -   -
level-one    F   F     F       F       F      F      F       F     F          F              F   F
granular     S   -     -       -       F      F      G       1     S          -              -   F
other-type   F   F     F       F       F      F      F       F     F          F              F   F
lost         -   -     -       -       -      -      -       -     -          -              -   -
forged       F   F     F       F       F      F      F       F     F          F              F   F
treating     S   -     -       -       S      -      G       1     -          S              -   -
stranger     -   -     -       -       S      -      -       -     -          -              -   -
launched     S   -     -       -       S      -      G       1     -          S              -   -
mislaunched  -   -     -       -       -      -      -       -     -          -              -   -
glass        -   -     S       -       S      -      -       2     -          -              -   -
system       S   S     S       S       S      S      G       S     -          S              -   -
emergency    S   S     S       S       S      S      G       S     S          S              -   S
agency       S   S     S       S       S      S      G       S     -          S              -   -
for-one      S   -     -       -       S      -      G       1     -          S              -   -
officer      -   -     -       -       -      -      -       -     -          -              -   -
admin        S   S     S       S       S      S      G       S     S          S              -   S
"""),
    table("""
who          message others-message gone
nobody       U       U              U
patient      S       S              -
account      S       S              -
proxy        S       S              -
relative     S       S              -
for-relative S       S              -
level-one    F       F              F
granular     F       F              -
other-type   F       F              F
lost         -       -              -
forged       F       F              F
treating     S       -              -
stranger     -       -              -
launched     S       -              -
mislaunched  -       -              -
glass        -       -              G
system       S       S              G
emergency    S       S              G
agency       S       S              G
for-one      S       S              -
officer      -       -              -
admin        S       S              G
"""),
)
"""S: seen. G: seen to be deleted. 1: only the first version was in the caller's reach, 2: only the second. -: as if it
were not there. F: the token's scopes do not cover the type. U: no token.
"""

CREATES = table("""
who          own child foreign nobodys shared denied message
nobody       U   U     U       U       U      U      U
patient      W   F     F       F       F      F      F
account      W   F     F       F       F      F      F
proxy        W   W     F       F       F      F      F
relative     W   F     F       F       F      F      F
for-relative W   F     F       F       F      F      F
level-one    F   F     F       F       F      F      F
granular     F   F     F       F       F      F      F
other-type   F   F     F       F       F      F      F
lost         F   F     F       F       F      F      F
forged       F   F     F       F       F      F      F
treating     W   F     F       F       W      F      W
stranger     F   F     F       F       W      F      F
launched     W   F     F       F       W      F      W
mislaunched  F   F     F       F       F      F      F
glass        F   F     W       F       W      F      F
system       W   W     W       W       W      W      W
emergency    W   W     W       W       W      W      W
agency       W   W     W       W       W      W      W
for-one      W   F     F       F       F      F      W
officer      F   F     F       F       F      F      F
admin        W   W     W       W       W      W      W
""")
"""W: written. F: refused, whatever else there is. K: a sent message stays as it is."""

UPDATES = table("""
who          own child foreign nobodys shared denied deleted moved restricted missing message others-message
nobody       U   U     U       U       U      U      U       U     U          U       U       U
patient      W   -     -       -       F      F      -       -     W          -       K       K
account      W   -     -       -       F      F      -       -     W          -       K       K
proxy        W   F     -       -       F      F      -       -     W          -       K       K
relative     W   -     -       -       F      F      -       -     W          -       K       K
for-relative W   -     -       -       F      F      -       -     W          -       K       K
level-one    F   F     F       F       F      F      F       F     F          F       F       F
granular     F   F     F       F       F      F      F       F     F          F       F       F
other-type   F   F     F       F       F      F      F       F     F          F       F       F
lost         F   F     F       F       F      F      F       F     F          F       F       F
forged       F   F     F       F       F      F      F       F     F          F       F       F
treating     W   -     -       -       W      F      W       -     -          -       K       F
stranger     F   F     F       F       W      F      F       F     F          F       F       F
launched     W   -     -       -       W      F      W       -     -          -       K       F
mislaunched  F   F     F       F       F      F      F       F     F          F       F       F
glass        -   -     W       -       W      F      -       W     -          -       F       F
system       W   W     W       W       W      W      W       W     -          W       K       K
emergency    W   W     W       W       W      W      W       W     W          W       K       K
agency       W   W     W       W       W      W      W       W     -          W       K       K
for-one      W   -     -       -       F      F      W       -     -          -       K       K
officer      F   F     F       F       F      F      F       F     F          F       F       F
admin        W   W     W       W       W      W      W       W     W          W       K       K
""")
"""By PUT, of what is to be in the record of anna (of ben, for whoever broke the glass). A proxy moves nothing there."""

PATCHES = table("""
who          own child foreign nobodys shared denied deleted moved restricted missing message others-message
nobody       U   U     U       U       U      U      U       U     U          U       U       U
patient      W   -     -       -       F      F      G       -     W          -       K       K
account      W   -     -       -       F      F      G       -     W          -       K       K
proxy        W   W     -       -       F      F      G       -     W          -       K       K
relative     W   -     -       -       F      F      G       -     W          -       K       K
for-relative W   -     -       -       F      F      G       -     W          -       K       K
level-one    F   F     F       F       F      F      F       F     F          F       F       F
granular     F   F     F       F       F      F      F       F     F          F       F       F
other-type   F   F     F       F       F      F      F       F     F          F       F       F
lost         -   -     -       -       F      F      -       -     -          -       -       -
forged       F   F     F       F       F      F      F       F     F          F       F       F
treating     W   -     -       -       W      F      G       -     -          -       K       -
stranger     -   -     -       -       W      F      -       -     -          -       -       -
launched     W   -     -       -       W      F      G       -     -          -       K       -
mislaunched  -   -     -       -       -      F      -       -     -          -       -       -
glass        -   -     W       -       W      F      -       W     -          -       -       -
system       W   W     W       W       W      W      G       W     -          -       K       K
emergency    W   W     W       W       W      W      G       W     W          -       K       K
agency       W   W     W       W       W      W      G       W     -          -       K       K
for-one      W   -     -       -       F      F      G       -     -          -       K       K
officer      F   F     F       F       F      F      F       F     F          F       F       F
admin        W   W     W       W       W      W      G       W     W          -       K       K
""")

DELETES = table("""
who          own child foreign nobodys shared denied deleted moved restricted missing message others-message
nobody       U   U     U       U       U      U      U       U     U          U       U       U
patient      F   F     F       F       F      F      F       F     F          F       K       K
account      F   F     F       F       F      F      F       F     F          F       K       K
proxy        F   F     F       F       F      F      F       F     F          F       K       K
relative     F   F     F       F       F      F      F       F     F          F       K       K
for-relative F   F     F       F       F      F      F       F     F          F       K       K
level-one    F   F     F       F       F      F      F       F     F          F       F       F
granular     F   F     F       F       F      F      F       F     F          F       F       F
other-type   F   F     F       F       F      F      F       F     F          F       F       F
lost         F   F     F       F       F      F      F       F     F          F       -       -
forged       F   F     F       F       F      F      F       F     F          F       F       F
treating     W   -     -       -       F      F      W       -     -          -       K       -
stranger     -   -     -       -       F      F      -       -     -          -       -       -
launched     W   -     -       -       F      F      W       -     -          -       K       -
mislaunched  -   -     -       -       F      F      -       -     -          -       -       -
glass        -   -     W       -       F      F      -       W     -          -       -       -
system       W   W     W       W       W      W      W       W     -          -       K       K
emergency    W   W     W       W       W      W      W       W     W          W       K       K
agency       W   W     W       W       W      W      W       W     -          -       K       K
for-one      W   -     -       -       F      F      W       -     -          -       K       K
officer      F   F     F       F       F      F      F       F     F          F       F       F
admin        W   W     W       W       W      W      W       W     W          W       K       K
""")
