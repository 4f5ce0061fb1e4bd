"""Types that are seen by those who take part, not by everybody who cares for the patient: messages.

https://hl7.org/fhir/R4/communication.html
"""

from collections.abc import Mapping

DRAFT_SYSTEM = "urn:fhir-server:draft"
DRAFT = f"staff|{DRAFT_SYSTEM}"
"""Label of the row of a draft that care staff write: the patient whose record it is sees it once it is sent."""

DRAFT_STATUS = "preparation"
"""https://hl7.org/fhir/R4/codesystem-event-status.html"""

PARTICIPANTS: Mapping[str, tuple[str, ...]] = {"Communication": ("sender", "recipient")}
"""Type to the reference parameters that say who takes part. The first names who speaks."""
