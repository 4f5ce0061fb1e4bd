"""A client, people and grants to make tokens of."""

from typing import Any

from smart_auth.records import Account, Client, Grant

BASE = "https://ehr.example.org/fhir"


def is_own_base(base: str) -> bool:
    return base == BASE


def client(**changes: Any) -> Client:
    return Client(**{"id": "app", "name": "An app", "scope": "openid patient/*.rs"} | changes)


def account(**changes: Any) -> Account:
    ada = {
        "id": "ada",
        "username": "Ada",
        "login": "ada",
        "password_hash": "",
        "kind": "patient",
        "name": "Ada Example",
        "fhir_user": "Patient/p1",
        "patients": ("p1", "p2"),
    }
    return Account(**ada | changes)


def grant(**changes: Any) -> Grant:
    given = {
        "id": "grant-1",
        "client_id": "app",
        "account": "ada",
        "scopes": ("openid", "fhirUser", "patient/Patient.read", "patient/Observation.rs"),
        "base": BASE,
        "patient": "p1",
    }
    return Grant(**given | changes)
