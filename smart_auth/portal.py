"""What the sign-in of beneficiaries stands on besides the authorization server itself; the FHIR server hands it in."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smart_auth.mail import NO_MAIL, Mail
from smart_auth.sealing import Seal

if TYPE_CHECKING:
    from smart_auth.identity.certificates import CardTrust
    from smart_auth.identity.conditions import ConditionsRecords
    from smart_auth.identity.contact import ContactRecords
    from smart_auth.identity.eligibility import EligibilityRegistry
    from smart_auth.identity.providers import Provider
    from smart_auth.identity.proxies import Proxies
    from smart_auth.identity.registration import Registrar


@dataclass(frozen=True, slots=True)
class Portal:
    """The registry, the records, the mail and the cards. What is None is not there, and its pages neither.

    `help_desk` is told with each refusal. Without `contacts` or `conditions` nobody is held at that gate.
    """

    seal: Seal = field(default_factory=Seal.of_this_process)
    mail: Mail = NO_MAIL
    help_desk: str = "Global Service Center, 1-800-600-9332"
    cards: "CardTrust | None" = None
    providers: "tuple[Provider, ...]" = ()
    contacts: "ContactRecords | None" = None
    conditions: "ConditionsRecords | None" = None
    proxies: "Proxies | None" = None
    registry: "EligibilityRegistry | None" = None
    registrar: "Registrar | None" = None
