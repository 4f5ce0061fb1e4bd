"""Links that go out by mail: secret, for one purpose, good once and not for long; a new one ends the one before.

https://pages.nist.gov/800-63-3/sp800-63b.html, https://cheatsheetseries.owasp.org/cheatsheets/Forgot_Password_Cheat_Sheet.html
"""

from collections.abc import Callable

from smart_auth.documents import Documents
from smart_auth.random_secrets import digest, new_secret
from smart_auth.records import MAIL_LINKS, MailLink, kept, read
from smart_auth.sealing import Seal

LATEST = "mail_links_latest"
"""Documents that name the one link of a purpose and subject that is good: one write ends whichever was before."""


class MailLinks:
    """The links of all workers. Of a link itself only the SHA-256 is kept."""

    def __init__(self, documents: Documents, seal: Seal, now: Callable[[], int]) -> None:
        self._documents = documents
        self._seal = seal
        self._now = now

    async def issue(self, purpose: str, subject: str, seconds: int, content: str = "") -> str:
        """The token of a new link about `subject`, told this once. `content` is kept sealed until the link is used.

        Of two that are issued at the same time one is good.
        """
        token, expires = new_secret(), self._now() + seconds
        id = digest(token)
        sealed = self._seal.sealed(content, id) if content else None
        link = MailLink(id=id, purpose=purpose, subject=subject, sealed=sealed, expires_at=expires)
        await self._documents.insert(MAIL_LINKS, id, kept(link), expires)
        await self._documents.replace(LATEST, self._about(purpose, subject), {"link": id}, expires)
        return token

    async def find(self, purpose: str, token: str) -> MailLink | None:
        """The link of this token, if it is for that purpose and good."""
        document = await self._documents.get(MAIL_LINKS, digest(token))
        link = None if document is None else read(MailLink, document)
        if link is None or link.purpose != purpose or link.expires_at <= self._now():
            return None
        latest = await self._documents.get(LATEST, self._about(purpose, link.subject))
        return link if latest is not None and latest["link"] == link.id else None

    async def use(self, purpose: str, token: str) -> MailLink | None:
        """The same, for the one who comes first; nobody finds it afterwards."""
        link = await self.find(purpose, token)
        return link if link is not None and await self._documents.remove(MAIL_LINKS, link.id) else None

    async def end(self, purpose: str, subject: str) -> None:
        """End the link about this subject, if there is one."""
        await self._documents.remove(LATEST, self._about(purpose, subject))

    def content(self, link: MailLink) -> str:
        """What was kept with a link; empty where nothing was. Raises ValueError where it cannot be opened."""
        return "" if link.sealed is None else self._seal.opened(link.sealed, link.id)

    def _about(self, purpose: str, subject: str) -> str:
        """The subject may be an address, which is nobody's to read in an id."""
        return self._seal.keyed_digest(f"mail link {purpose} {subject}")
