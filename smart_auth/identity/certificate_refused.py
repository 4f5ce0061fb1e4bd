"""Why a card is refused: one reason of the error catalogue, and a sentence for the person who holds it."""

from typing import Literal

from smart_auth.errors import OAuthError

CardReason = Literal[
    "certificate-missing",
    "certificate-malformed",
    "certificate-expired",
    "certificate-not-yet-valid",
    "certificate-untrusted",
    "certificate-self-signed",
    "certificate-revoked",
    "certificate-revocation-unknown",
    "certificate-usage",
    "certificate-policy",
]


class CertificateRefused(OAuthError):
    """No card, or one that is not accepted: 401 at every page, with the reason as its error code."""

    def __init__(self, reason: CardReason, text: str) -> None:
        super().__init__(401, reason, text)
        self.reason: CardReason = reason
