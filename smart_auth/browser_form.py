"""Forms that are shown before there is a session: bound to the browser they were drawn for.

https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from smart_auth import cookies, csrf
from smart_auth.pages.render import page
from smart_auth.random_secrets import new_secret
from smart_auth.visit import Visit


def check_browser_form(visit: Visit) -> None:
    """Raises OAuthError 403 where the form is not one that this browser was shown by `browser_form`."""
    browser = cookies.sent_cookie(visit.http, visit.base, cookies.BROWSER)
    csrf.check(visit.http, visit.value(csrf.FIELD), csrf.of_browser(browser) if browser else None)


def browser_form(
    visit: Visit,
    template: str,
    values: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page with a form: `csrf` is added to its values, and a cookie for the browser that it is for."""
    browser = cookies.sent_cookie(visit.http, visit.base, cookies.BROWSER) or new_secret()
    drawn = page(template, {**values, "csrf": csrf.of_browser(browser)}, status=status, headers=headers)
    cookies.keep_cookie(drawn, visit.base, cookies.BROWSER, browser)
    return drawn
