"""Why a search value cannot be used, and what to write instead. https://hl7.org/fhir/R4/search.html#errors"""


class BadValue(ValueError):
    """The text of the refusal, without the parameter's name."""
