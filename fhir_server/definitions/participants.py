"""Types that are seen by those who take part, not by everybody who cares for the patient: messages.

https://hl7.org/fhir/R4/communication.html
"""

from collections.abc import Mapping

PARTICIPANTS: Mapping[str, tuple[str, ...]] = {"Communication": ("sender", "recipient")}
"""Type to the reference parameters that say who takes part. The first names who speaks."""
