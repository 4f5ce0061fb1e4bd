"""Settings of cards to what is trusted: roots and authorities in PEM files, lists, responders."""

from pathlib import Path

from cryptography import x509

from fhir_server.settings import Settings
from smart_auth.identity.certificates import CardTrust
from smart_auth.identity.ocsp import ElseLists, Responders
from smart_auth.identity.revocation import Revocation, RevocationLists


def card_trust(settings: Settings) -> CardTrust | None:
    """Whose cards are accepted; None where none is read.

    Raises ValueError, in words for whoever runs the server, where a file cannot be used.
    """
    if settings.card_anchors is None or settings.card_proxy_secret is None:
        return None
    anchors = _certificates(settings.card_anchors, "FHIR_CARD_ANCHORS")
    between = settings.card_intermediates
    return CardTrust(
        anchors=anchors,
        intermediates=() if between is None else _certificates(between, "FHIR_CARD_INTERMEDIATES"),
        policies=frozenset(settings.card_policies),
        revocation=_revocation(settings),
        proxy_secret=settings.card_proxy_secret.get_secret_value(),
    )


def _revocation(settings: Settings) -> Revocation:
    lists = RevocationLists(settings.card_crls)
    if settings.card_revocation == "crl":
        return lists
    responders = Responders(settings.card_ocsp_url)
    return responders if settings.card_revocation == "ocsp" else ElseLists(responders, lists)


def _certificates(path: Path, setting: str) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise ValueError(f"{setting} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ValueError(f"{setting} holds no certificates in PEM: {error}") from error
