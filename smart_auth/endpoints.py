"""The addresses of the OAuth endpoints: at the origin of the FHIR base, under /auth.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#metadata
"""

from urllib.parse import urlsplit


def origin_of(base: str) -> str:
    """`https://ehr.example.org` of `https://ehr.example.org/fhir`."""
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}"


def endpoint(base: str, name: str) -> str:
    """The absolute URL of an endpoint (`token`, `authorize`) for a client that knows the server by this base."""
    return f"{origin_of(base)}/auth/{name}"
