"""Where the browser may be sent back to: what can be registered, and whether an address is one that was registered.

https://www.rfc-editor.org/rfc/rfc8252#section-7, https://www.rfc-editor.org/rfc/rfc9700#section-4.1
"""

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

MAX_LENGTH = 2000

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# RFC 8252 section 7.3: by address, because `localhost` can be made to mean something else.
_ANY_PORT = frozenset({"127.0.0.1", "::1"})
_FORBIDDEN = re.compile(r"[^\x21-\x7e]|[\\*<>\"{}|^`]")
# What is percent-encoded there is another name, or more than a name, to whoever decodes it first.
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]+")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")


def is_registered(registered: Iterable[str], uri: str) -> bool:
    """Whether a redirect_uri is exactly a registered one.

    One registered without a port for http://127.0.0.1 or http://[::1] stands for every port of it, as a native app
    learns its port when it starts (RFC 8252 section 7.3); one with a port stands for that port alone.
    """
    return any(uri == each or _is_same_but_for_port(each, uri) for each in registered)


def flaw_of_redirect_uri(uri: str) -> str | None:
    """Why an address cannot be registered as a redirect_uri; None: it can.

    https anywhere, http on loopback, and private-use schemes with a dot (`com.example.app:/callback`).
    """
    parts = _split(uri)
    if parts is None or not parts.scheme:
        return "must be an absolute URI of at most 2000 ASCII characters, without wildcards"
    if parts.fragment or "#" in uri:
        return "must not have a fragment"
    if parts.scheme in ("https", "http"):
        return _flaw_of_web_address(parts)
    if _PRIVATE_SCHEME.fullmatch(parts.scheme) is None:
        return "must be https, http on loopback, or a private-use scheme that has a dot in it"
    return None


def flaw_of_web_address(uri: str) -> str | None:
    """Why an address is no https address, nor http on loopback; None: it is one."""
    parts = _split(uri)
    if parts is None or parts.scheme not in ("https", "http"):
        return "must be an absolute https URL of at most 2000 ASCII characters"
    return _flaw_of_web_address(parts)


def web_origin(uri: str) -> str | None:
    """The origin as a browser sends it (`https://app.example.org`); None where browsers send none for this address."""
    parts = _split(uri)
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"https": 443, "http": 80}[parts.scheme]
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def is_loopback(host: str | None) -> bool:
    """Whether a host of a URL names this machine and nothing else."""
    return host in _LOOPBACK


def _flaw_of_web_address(parts: SplitResult) -> str | None:
    if not parts.hostname:
        return "must name a host"
    if "@" in parts.netloc:
        return "must not carry a user name or password"
    if _HOST.fullmatch(parts.netloc) is None:
        return "must name its host in letters, digits, dots and hyphens"
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return "must be https; plain http is for 127.0.0.1, [::1] and localhost alone"
    return None


def _split(uri: str) -> SplitResult | None:
    if len(uri) > MAX_LENGTH or _FORBIDDEN.search(uri):
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_same_but_for_port(registered: str, uri: str) -> bool:
    known, asked = _split(registered), _split(uri)
    if known is None or asked is None or known.scheme != "http" or not asked.port:
        return False
    if known.hostname not in _ANY_PORT or known.port is not None:
        return False
    return uri == registered.replace(known.netloc, f"{known.netloc}:{asked.port}", 1)
