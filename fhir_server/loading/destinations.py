"""The two places `load` can write to: the database itself, or a running server over HTTP."""

import asyncio
import secrets
from dataclasses import replace

import httpx

from fhir_server.core import outcome
from fhir_server.core.codec import decode, encode
from fhir_server.core.outcome import NUMBER_SYSTEM, FhirError, Issue
from fhir_server.core.resource import Resource
from fhir_server.interactions.batch import batch
from fhir_server.interactions.context import Answer, RequestContext, Server
from fhir_server.interactions.transaction import transaction

ATTEMPTS = 6
"""Tries of one request that a server answers with 503, a second apart and then longer."""


class DatabaseDestination:
    """Runs Bundles in this process, as the server would."""

    def __init__(self, server: Server) -> None:
        # The second check takes half the time of a load and has found nothing yet that the first did not
        # (docs/adr/0008): it is for what strangers send.
        server = replace(server, second_check=False)
        base = server.base_url or "http://127.0.0.1/fhir"
        self.context = RequestContext(server, f"load-{secrets.token_hex(4)}", base, only_changes=True)

    async def run(self, bundle: Resource) -> Resource:
        """The response Bundle. Raises FhirError where nothing was done."""
        run = transaction if bundle["type"] == "transaction" else batch
        answer: Answer = await run(self.context, bundle)
        response: Resource = decode(answer.body or b"{}")
        return response


class ServerDestination:
    """Posts Bundles to the base of a FHIR server."""

    def __init__(self, client: httpx.AsyncClient, base: str) -> None:
        self.client = client
        self.base = base

    async def run(self, bundle: Resource) -> Resource:
        """The response Bundle. Raises FhirError where the server refused it or could not be reached."""
        headers = {"content-type": "application/fhir+json", "prefer": "return=minimal, only-changes"}
        body = encode(bundle)
        for attempt in range(ATTEMPTS):
            try:
                response = await self.client.post(self.base, content=body, headers=headers)
            except httpx.HTTPError as error:
                raise outcome.UNAVAILABLE(f"{self.base} does not answer ({type(error).__name__}).") from None
            if response.status_code != 503:
                break
            await asyncio.sleep(2**attempt)
        if response.is_success:
            answered: Resource = decode(response.content)
            return answered
        raise _refusal(response)


def _refusal(response: httpx.Response) -> FhirError:
    try:
        drawn = decode(response.content)
        issues = [_issue(issue) for issue in drawn["issue"]]
    except (FhirError, KeyError, TypeError):
        issues = [Issue("exception", f"The server answered {response.status_code}.", 0)]
    return FhirError(response.status_code, issues)


def _issue(issue: Resource) -> Issue:
    text = issue.get("details", {}).get("text") or issue.get("diagnostics") or "refused without a reason"
    coding: Resource = next(iter(issue.get("details", {}).get("coding", ())), {})
    expression = next(iter(issue.get("expression", ())), None)
    ours = coding.get("system") == NUMBER_SYSTEM
    number = int(coding["code"]) if ours and str(coding.get("code")).isdigit() else 0
    return Issue(issue.get("code", "exception"), str(text), number, "error", expression)
