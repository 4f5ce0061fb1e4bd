"""The card that a browser showed to the proxy in front, checked again here from its certificate on.

The layer in front of all requests (fhir_server.rest.proxies) puts what a trusted proxy sent into the request's state;
from anybody else nothing of the kind gets this far.
"""

import hmac
from urllib.parse import unquote_to_bytes

from smart_auth.identity.cards import Card
from smart_auth.identity.certificates import LONGEST_PEM, CertificateRefused, card
from smart_auth.visit import Visit

STATE = "client_certificate"
"""The key in the request's state of (certificate, secret), both as the proxy sent them: URL-encoded PEM, text."""

BY_CARD = ("sc", "mfa")
"""How whoever has a card signed in (RFC 8176): by a smart card, which is opened by its PIN."""

MISSING = (
    "No card was read. Put your CAC or PIV card into a card reader, close the browser, open it again, and choose the "
    "certificate for authentication when you are asked."
)


async def sent_card(visit: Visit) -> Card:
    """The card of this request. Raises CertificateRefused, which is in the audit log then: at a flood as few rows."""
    parts = visit.parts
    trust = parts.portal.cards
    text, secret = visit.http.scope.get("state", {}).get(STATE) or ("", "")
    try:
        if trust is None or not text:
            raise CertificateRefused("certificate-missing", MISSING)
        if not hmac.compare_digest(secret.encode(), trust.proxy_secret.encode()):
            # Whoever sent this is no proxy of ours, and learns nothing about the certificate.
            raise CertificateRefused("certificate-missing", MISSING)
        return await card(trust, _decoded(text), parts.now())
    except CertificateRefused as refusal:
        why = "without the proxy's secret" if text and refusal.reason == "certificate-missing" else ""
        said = f"{refusal.reason} {why}".strip()
        await parts.floods.note(f"{visit.address} {said}", "card", said)
        raise


def _decoded(text: str) -> str:
    """Raises CertificateRefused."""
    # Each character may have become three.
    if len(text) <= 3 * LONGEST_PEM:
        try:
            return unquote_to_bytes(text).decode("ascii")
        except UnicodeError:
            pass
    raise CertificateRefused("certificate-malformed", "What was sent is not one certificate.")
