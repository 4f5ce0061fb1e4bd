"""One request of a person's browser: its fields, its session, the account; and the endpoint that makes one of it.

https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from smart_auth import cookies, csrf, request_id
from smart_auth.audit import AuthEventKind
from smart_auth.authorization import Authorization
from smart_auth.errors import OAuthError, invalid_request
from smart_auth.form import FORM_TYPE, MAX_BYTES, media_type, read_body
from smart_auth.pages.render import page, page_headers
from smart_auth.records import Account, Session
from smart_auth.uploads import MULTIPART_TYPE, Upload, read_multipart

# A consent form about every resource type has about 600 boxes; no honest form has more fields.
MAX_FIELDS = 2000

# A database or a header would stumble over them. Line ends and tabs belong to what people write in several lines.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Visit:
    """A request with what is known of who sends it. `base` is the FHIR base as the browser knows this server.

    `fields` are those of the query, of a POST those of its form. There is an account wherever there is a session.
    `files` are there only at pages that take some.
    """

    parts: Authorization
    http: Request
    base: str
    fields: tuple[tuple[str, str], ...]
    session: Session | None
    account: Account | None
    files: tuple[Upload, ...] = ()

    def value(self, name: str) -> str:
        """The field's value; empty where it was not sent. Raises OAuthError invalid_request where it was repeated."""
        values = self.values(name)
        if len(values) > 1:
            raise invalid_request(f"The field {name} was sent twice.")
        return values[0] if values else ""

    def values(self, name: str) -> list[str]:
        """All values of a field that may be repeated."""
        return [value for each, value in self.fields if each == name]

    @property
    def is_post(self) -> bool:
        return self.http.method == "POST"

    @property
    def address(self) -> str:
        """The network address of the browser, as far as it is known."""
        return self.http.client.host if self.http.client else ""

    @property
    def csrf(self) -> str:
        """What the forms of a signed-in person repeat."""
        return csrf.of_session(self.session) if self.session is not None else ""

    def check_form(self) -> None:
        """Raises OAuthError 403 where the form is not one that this session was shown."""
        csrf.check(self.http, self.value(csrf.FIELD), self.csrf or None)


Answer = Callable[[Visit], Awaitable[Response]]


class PageEndpoint:
    """A page: GET, HEAD and, where it has a form, POST. Whatever it refuses is a page as well.

    With `takes_files` its form may be multipart, with files of `proof_bytes_max` together.
    """

    def __init__(
        self,
        parts: Authorization,
        answer: Answer,
        methods: tuple[str, ...] = ("GET", "POST"),
        takes_files: bool = False,
    ) -> None:
        self.parts = parts
        self.answer = answer
        self.takes_files = takes_files
        self.methods = (*methods, "HEAD") if "GET" in methods else methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets through what `base_of` raises for a Host that this server is not known by."""
        request = Request(scope, receive)
        request_id.enter(scope)
        base = self.parts.base_of(request)
        try:
            if request.method not in self.methods:
                raise _not_allowed(request.method, self.methods)
            response = await self.answer(await visit_of(self.parts, request, base, self.takes_files))
        except OAuthError as error:
            await self._note_refusal(request, error)
            response = refusal_page(error, self.parts.portal.help_desk)
        await response(scope, receive, send)

    async def _note_refusal(self, request: Request, error: OAuthError) -> None:
        """Everybody can have a page refused as often as they like: one row for an address, page and minute."""
        name = request.url.path.rpartition("/")[2]
        address = request.client.host if request.client else ""
        kind: AuthEventKind = "throttled" if error.status == 429 else "page-refused"
        await self.parts.floods.note(f"{name} {address}", kind, f"{name}: {error.error}")


async def visit_of(parts: Authorization, request: Request, base: str, takes_files: bool = False) -> Visit:
    """Raises OAuthError invalid_request for a form that cannot be read."""
    session = await parts.sessions.find(cookies.sent_cookie(request, base, cookies.SESSION))
    account = await parts.accounts.get(session.account) if session is not None else None
    if account is None or session is None or account.is_disabled or not (account.is_logon_active or session.by_cac):
        session = account = None
    if takes_files and request.method == "POST" and media_type(request) == MULTIPART_TYPE:
        pairs, files = await read_multipart(request, parts.settings.proof_bytes_max, MAX_FIELDS)
        return Visit(parts, request, base, _checked(pairs), session, account, files)
    return Visit(parts, request, base, await _fields(request), session, account)


def refusal_page(error: OAuthError, help_desk: str = "") -> Response:
    """What a person sees where a request is refused and there is nobody to send them back to."""
    values = {
        "text": error.text,
        "error": error.error,
        "help_desk": help_desk,
        "request_id": request_id.request_id(),
    }
    return page("refused.html", values, status=error.status, headers=error.headers)


def see(location: str) -> Response:
    """Sends the browser on by GET, whatever it came by (RFC 9700 section 4.12)."""
    return RedirectResponse(location, 303, headers=page_headers())


async def _fields(request: Request) -> tuple[tuple[str, str], ...]:
    if request.method != "POST":
        query: bytes = request.scope.get("query_string", b"")
        return _pairs(query)
    if media_type(request) != FORM_TYPE:
        raise OAuthError(415, "invalid_request", f"Send the fields as a form: Content-Type: {FORM_TYPE}.")
    return _pairs(await read_body(request, MAX_BYTES))


def _pairs(encoded: bytes) -> tuple[tuple[str, str], ...]:
    try:
        text = encoded.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise invalid_request("The fields are not URL-encoded UTF-8, or there are too many.") from None
    return _checked(tuple(pairs))


def _checked(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    if any(_CONTROL.search(part) for pair in pairs for part in pair):
        raise invalid_request("A field holds a control character.")
    return pairs


def _not_allowed(method: str, methods: tuple[str, ...]) -> OAuthError:
    return OAuthError(405, "invalid_request", f"{method} is not possible here.", {"Allow": ", ".join(methods)})
