"""The form of a request to an OAuth endpoint: each parameter once, those without a value left out.

https://www.rfc-editor.org/rfc/rfc6749#section-3.2, https://www.rfc-editor.org/rfc/rfc6749#appendix-B
"""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from smart_auth.errors import OAuthError, invalid_request

Form = dict[str, str]

# An assertion with a certificate chain has about 10 kB.
MAX_BYTES = 65_536
MAX_FIELDS = 100
FORM_TYPE = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> Form:
    """The parameters of a posted form. Raises OAuthError invalid_request (413 where it is too long)."""
    if media_type(request) != FORM_TYPE:
        raise invalid_request(f"Send the parameters as a form: Content-Type: {FORM_TYPE}.")
    body = await read_body(request, MAX_BYTES)
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise invalid_request("The form is not URL-encoded UTF-8, or it has too many fields.") from None
    return once(pairs)


def once(pairs: Iterable[tuple[str, str]]) -> Form:
    """Parameters by name. Raises OAuthError invalid_request where one is repeated (RFC 6749 section 3.2)."""
    form: Form = {}
    for name, value in pairs:
        if name in form:
            raise invalid_request("A parameter was sent twice; each may be sent once.")
        form[name] = value
    # "Parameters sent without a value MUST be treated as if they were omitted from the request."
    return {name: value for name, value in form.items() if value}


def required(form: Form, name: str) -> str:
    """A parameter's value. Raises OAuthError invalid_request where it was not sent."""
    if name not in form:
        raise invalid_request(f"The parameter {name} is missing.")
    return form[name]


def media_type(request: Request) -> str:
    """The Content-Type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The body. Raises OAuthError 413 once it is longer than `most_bytes`; nothing more is read then."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most_bytes:
                raise OAuthError(413, "invalid_request", f"The body is longer than {most_bytes} bytes.")
    except ClientDisconnect:
        raise invalid_request("The connection ended before the body did.") from None
    return bytes(body)
