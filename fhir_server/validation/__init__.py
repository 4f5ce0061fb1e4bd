"""Whether content is valid FHIR R4: pure functions from a decoded resource to the issues found in it."""
