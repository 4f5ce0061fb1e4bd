"""Settings of sign-in that do not go together are refused at start, with the remedy."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fhir_server.portal import portal_refusal
from fhir_server.settings import Settings, auth_refusal
from smart_auth.settings import SmartSettings

ANCHORS = Path("anchors.pem")
SECRET = "s" * 32
BEHIND_PROXY: dict[str, Any] = {"base_url": "https://fhir.example.org/fhir", "trusted_proxies": ("127.0.0.1",)}
WITH_CARDS: dict[str, Any] = {**BEHIND_PROXY, "card_anchors": ANCHORS, "card_proxy_secret": SECRET}


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"card_anchors": ANCHORS, "card_proxy_secret": SECRET}, "FHIR_TRUSTED_PROXIES"),
        ({**BEHIND_PROXY, "card_anchors": ANCHORS}, "FHIR_CARD_PROXY_SECRET"),
        ({**WITH_CARDS, "card_proxy_secret": "s" * 31}, "32 characters"),
        ({"step_up": "card"}, "FHIR_CARD_ANCHORS"),
        ({"registry_url": "http://deers.example.org"}, "https://"),
        ({"registry_url": "ftp://deers.example.org"}, "https://"),
        ({"mail_url": "smtp://mail.example.org:587?starttls=off"}, "starttls=required"),
        ({"mail_url": "smtp://mail.example.org:587?starttls=auto"}, "starttls=required"),
        ({"mail_url": "smtp://mail.example.org:587?starttls=maybe"}, "required, auto or off"),
        ({"mail_url": "https://mail.example.org"}, "smtps://"),
        ({"mail_url": "smtp:mail.example.org"}, "smtps://"),
    ],
)
def test_what_would_be_unsafe_is_refused_with_the_remedy(values: dict[str, Any], remedy: str) -> None:
    refusal = auth_refusal(Settings(**values))
    assert refusal is not None and remedy in refusal and refusal.endswith(".")
    assert SECRET not in refusal


@pytest.mark.parametrize(
    "values",
    [
        {},
        WITH_CARDS,
        {**WITH_CARDS, "step_up": "card"},
        {"registry_url": "https://deers.example.org"},
        {"registry_url": "http://127.0.0.1:9000"},
        {"mail_url": "smtp://mail.example.org:587"},
        {"mail_url": "smtps://user:pass@mail.example.org"},
        {"mail_url": "smtp://localhost:1025?starttls=off"},
    ],
)
def test_what_goes_together_starts(values: dict[str, Any]) -> None:
    assert auth_refusal(Settings(**values)) is None


@pytest.mark.parametrize(
    ("values", "asks"),
    [({}, False), ({"step_up": "off"}, False), (WITH_CARDS, True), ({**WITH_CARDS, "step_up": "off"}, False)],
)
def test_a_card_is_asked_for_where_cards_can_be_shown(values: dict[str, Any], asks: bool) -> None:
    assert Settings(**values).card_for == (("emergency", "orders", "administration") if asks else ())


@pytest.mark.parametrize(
    ("values", "shows"),
    [
        ({}, True),
        ({"mail_url": "smtp://localhost:1025?starttls=off"}, False),
        (BEHIND_PROXY, False),
        ({"host": "0.0.0.0"}, False),
    ],
)
def test_mails_are_shown_on_a_page_on_ones_own_machine_alone(values: dict[str, Any], shows: bool) -> None:
    assert Settings(**values).shows_mailbox is shows


def test_ages_of_a_child_are_in_order() -> None:
    with pytest.raises(ValidationError, match="FHIR_PROXY_LIMITED_YEARS"):
        Settings(proxy_limited_years=19)


def test_secrets_are_not_shown_where_settings_are_printed() -> None:
    values: dict[str, Any] = {
        "mail_url": "smtps://u:hidden@mail.example.org",
        "registry_token": "hidden",
        "card_proxy_secret": "hidden",
    }
    assert "hidden" not in repr(Settings(**values))


def test_every_number_of_sign_in_is_a_setting_with_the_same_default() -> None:
    otherwise = {"open_registration", "open_to_systems"}
    settings = Settings()
    for each in fields(SmartSettings):
        if each.name not in otherwise:
            assert getattr(settings, each.name) == getattr(SmartSettings(), each.name), each.name


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"providers": ({"name": "Peer"},)}, "FHIR_PROVIDERS"),
        ({"mail_url": "smtp://localhost:2525", "mail_from": "nobody"}, "FHIR_MAIL_FROM"),
        ({"conditions_text": Path("/nowhere/conditions.txt")}, "FHIR_CONDITIONS_TEXT"),
        ({"password_blocklist": Path("/nowhere/passwords.txt")}, "FHIR_PASSWORD_BLOCKLIST"),
        (WITH_CARDS, "FHIR_CARD_ANCHORS"),
    ],
)
def test_what_sign_in_cannot_stand_on_is_refused_in_a_sentence(values: dict[str, Any], said: str) -> None:
    refusal = portal_refusal(Settings(**values))
    assert refusal is not None and said in refusal and refusal.endswith(".") and "\n" not in refusal
    assert SECRET not in refusal


def test_with_the_settings_as_they_come_there_is_nothing_to_refuse() -> None:
    assert portal_refusal(Settings()) is None
