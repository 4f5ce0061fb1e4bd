"""One-time codes of a second factor (TOTP): six digits, good for 30 seconds and a step either side, each of them once.

https://www.rfc-editor.org/rfc/rfc6238, https://www.rfc-editor.org/rfc/rfc4226#section-5.3
"""

import base64
import hmac
import re
import secrets
from collections.abc import Callable
from hashlib import sha1
from urllib.parse import quote, urlencode

from smart_auth.documents import Documents
from smart_auth.records import ACCOUNTS, Account, read
from smart_auth.sealing import Seal

STEP_SECONDS = 30
DIGITS = 6

PROPOSED_CODES = "proposed_codes"
"""Secrets that a signed-in person was shown and has not yet answered with a code; the id is that of the session."""

_SECRET_BYTES = 20
_PROPOSED_SECONDS = 900
_CODE = re.compile(r"[0-9]{6}")

# Two steps of one account can be sent at the same moment; more than these lose.
_TRIES = 3


class OneTimeCodes:
    """The second factors of all accounts. An account has one where its `totp` is set."""

    def __init__(self, documents: Documents, seal: Seal, now: Callable[[], int]) -> None:
        self._documents = documents
        self._seal = seal
        self._now = now

    def new_secret(self) -> str:
        """160 random bits in base32, as authenticator apps take it."""
        return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()

    def address(self, account: Account, secret: str, issuer: str) -> str:
        """The `otpauth` address that authenticator apps read."""
        label = quote(f"{issuer}:{account.username}", safe="")
        asked = urlencode(
            {"secret": secret, "issuer": issuer, "digits": DIGITS, "period": STEP_SECONDS}, quote_via=quote
        )
        return f"otpauth://totp/{label}?{asked}"

    def code_at(self, secret: str, seconds: int) -> str:
        """The code of an instant. Raises ValueError for a secret that is not base32."""
        counter = (seconds // STEP_SECONDS).to_bytes(8, "big")
        mac = hmac.new(base64.b32decode(secret), counter, sha1).digest()
        offset = mac[-1] & 0x0F
        number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
        return str(number % 10**DIGITS).zfill(DIGITS)

    async def is_right(self, account: Account, code: str) -> bool:
        """Whether this is the account's code now, and was not used before, here or at another worker."""
        for _ in range(_TRIES):
            document = await self._documents.get(ACCOUNTS, account.id)
            current = None if document is None else read(Account, document)
            if current is None or current.totp is None:
                return False
            step = self._step_of(self._seal.opened(current.totp, account.id), code)
            if step is None or step <= current.totp_step:
                return False
            unused = {"totp": current.totp, "totp_step": current.totp_step}
            if await self._documents.change(ACCOUNTS, account.id, {"totp_step": step}, unused) is not None:
                return True
        return False

    async def enroll(self, account_id: str, secret: str) -> None:
        """Ask this account for codes of this secret from now on."""
        sealed = self._seal.sealed(secret, account_id)
        await self._documents.change(ACCOUNTS, account_id, {"totp": sealed, "totp_step": 0})

    async def proposed(self, session: str) -> str:
        """The secret that this session is shown until one of its codes was right; the same for 15 minutes."""
        expires = self._now() + _PROPOSED_SECONDS
        sealed = self._seal.sealed(self.new_secret(), session)
        await self._documents.insert(PROPOSED_CODES, session, {"sealed": sealed, "expires_at": expires}, expires)
        found = await self._documents.get(PROPOSED_CODES, session)
        if found is None or found["expires_at"] <= self._now():
            # A document may stay a while longer than it is good for.
            await self._documents.replace(PROPOSED_CODES, session, {"sealed": sealed, "expires_at": expires}, expires)
            return self._seal.opened(sealed, session)
        return self._seal.opened(found["sealed"], session)

    async def confirm(self, account: Account, session: str, code: str) -> bool:
        """Ask for codes of the secret this session was shown, if the code is one of it; the code is used then.

        False too where the account has a second factor already.
        """
        found = await self._documents.get(PROPOSED_CODES, session)
        if found is None or found["expires_at"] <= self._now():
            return False
        secret = self._seal.opened(found["sealed"], session)
        step = self._step_of(secret, code)
        if step is None or not await self._documents.remove(PROPOSED_CODES, session):
            return False
        changes = {"totp": self._seal.sealed(secret, account.id), "totp_step": step}
        return await self._documents.change(ACCOUNTS, account.id, changes, {"totp": None}) is not None

    async def remove(self, account_id: str) -> bool:
        """Ask this account for no code any more; whether it had a second factor."""
        before = await self._documents.change(ACCOUNTS, account_id, {"totp": None})
        return before is not None and before.get("totp") is not None

    def _step_of(self, secret: str, code: str) -> int | None:
        """The step whose code this is: now's, the one before or the one after. The same work for each answer."""
        typed = "".join(code.split())
        now = self._now() // STEP_SECONDS
        found = None
        for step in (now - 1, now, now + 1):
            expected = self.code_at(secret, step * STEP_SECONDS)
            if hmac.compare_digest(expected.encode(), typed.encode()) and _CODE.fullmatch(typed):
                found = step
        return found
