"""Forms of several versions under one canonical URL: https://hl7.org/fhir/R4/references.html#canonical"""

from typing import Any

NAMED = {"r1": "q1", "r2": "q2", "r3": "", "rany": "q0 q1 q2"}
"""Each answer with the forms that its canonical names."""
NAMING = {"q0": "rany", "q1": "r1 rany", "q2": "r2 rany"}
"""Each form with the answers that name it."""


def forms(unique: str) -> list[dict[str, Any]]:
    """Two versions of a form and one without; answers that name one version, another, none that is here, or any."""
    url = f"http://example.org/q/{unique}"
    found: list[dict[str, Any]] = []
    for name, version in (("1", "1.0"), ("2", "2.0-B"), ("0", None)):
        form = {"resourceType": "Questionnaire", "id": f"{unique}-q{name}", "status": "active", "url": url}
        found.append(form | {"name": f"Form{name}{unique}"} | ({"version": version} if version else {}))
    for name, canonical in (("1", f"{url}|1.0"), ("2", f"{url}|2.0-B"), ("3", f"{url}|3.0"), ("any", url)):
        answer = {"resourceType": "QuestionnaireResponse", "id": f"{unique}-r{name}", "status": "completed"}
        found.append(answer | {"questionnaire": canonical})
    return found
