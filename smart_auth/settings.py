"""The numbers of the authorization server, handed in by whoever composes it."""

from dataclasses import dataclass
from typing import Literal

PasswordRules = Literal["nist", "composition"]


@dataclass(frozen=True, slots=True)
class SmartSettings:
    """How long things live and how often they may be asked for.

    Refresh tokens live `refresh_token_days` from each use on. `assertion_seconds` is how far ahead a client assertion
    may expire. `jwks_cache_seconds` is for how long a client's fetched keys are used where their answer does not say;
    what it says counts between `jwks_cache_floor_seconds` and `jwks_cache_ceiling_seconds`. `logins_per_minute` is for
    one network address. A login name is refused for a while after `failed_logins` within `failed_login_minutes`,
    whether or not it exists. With `open_registration` everybody may register an app; with `open_to_systems` whoever may
    register may register a system too, which asks no person: on a machine that nobody else reaches.

    `password_policy` is `nist` (at least `password_characters_min` characters, no blocked word) or `composition` (at
    least 8 of four kinds). `mails_per_hour` is for one recipient and purpose. Contact data are asked for again after
    `contact_verification_days` (0: never), conditions of use once for each `conditions_version` ("": never).
    `beneficiary_registrations_per_minute` is for one address. A registration on hold ends after
    `registration_hold_days`. `card_for` names what asks for a card: of `emergency`,
    `orders`, `administration`; `card_hours` after the card was used they ask for it anew.
    """

    access_token_seconds: int = 1800
    system_access_token_seconds: int = 900
    id_token_seconds: int = 3600
    code_seconds: int = 60
    refresh_token_days: int = 100
    refresh_grace_seconds: int = 60
    session_idle_minutes: int = 60
    session_hours: int = 12
    card_hours: int = 12
    request_minutes: int = 15
    launch_minutes: int = 5
    assertion_seconds: int = 300
    assertion_skew_seconds: int = 5
    jwks_cache_seconds: int = 300
    jwks_cache_floor_seconds: int = 10
    jwks_cache_ceiling_seconds: int = 3600
    registrations_per_minute: int = 100
    logins_per_minute: int = 1000
    failed_logins: int = 5
    failed_login_minutes: int = 15
    token_requests_per_minute: int = 6000
    fhir_requests_per_minute: int = 60_000
    open_registration: bool = False
    open_to_systems: bool = False
    pending_login_minutes: int = 5
    password_policy: PasswordRules = "nist"
    password_characters_min: int = 15
    password_reset_minutes: int = 30
    email_link_hours: int = 24
    mails_per_hour: int = 5
    contact_verification_days: int = 180
    conditions_version: str = "3"
    beneficiary_registrations_per_minute: int = 30
    invitation_days: int = 14
    registration_hold_days: int = 90
    proof_bytes_max: int = 5_242_880
    provider_login_minutes: int = 10
    card_for: tuple[str, ...] = ()
