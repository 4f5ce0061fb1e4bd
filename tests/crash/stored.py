"""What a database holds and what a server gives of it, version by version, and what must be true of both.

https://hl7.org/fhir/R4/http.html#history
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pymongo import MongoClient

HISTORY = "_history"
_AT_ONCE = 16
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one resource; `resource` is None where it is a deletion."""

    number: int
    resource: dict[str, Any] | None
    is_current: bool


Stored = Mapping[str, list[Version]]
"""The versions of each resource by `Patient/p1`, the lowest first; a version found twice is listed twice."""


def read_stored(uri: str, database: str = "fhir") -> Stored:
    """Every row of every resource type, read from MongoDB itself, not through the server."""
    found: defaultdict[str, list[Version]] = defaultdict(list)
    with MongoClient[dict[str, Any]](uri, readConcernLevel="majority") as client:
        collections = client[database]
        for name in collections.list_collection_names():
            if not name[0].isupper():
                continue
            is_current = not name.endswith(HISTORY)
            for row in collections[name].find({}, {"version": 1, "body": 1, "deleted": 1, "rid": 1}):
                local = f"{name.removesuffix(HISTORY)}/{row['_id'] if is_current else row['rid']}"
                resource = None if row.get("deleted") else json.loads(row["body"])
                found[local].append(Version(row["version"], resource, is_current))
    return {local: sorted(versions, key=lambda version: version.number) for local, versions in found.items()}


async def read_served(base: str, locals: Iterable[str]) -> Stored:
    """The same as the server's histories and reads show it."""
    turns = asyncio.Semaphore(_AT_ONCE)
    async with httpx.AsyncClient(base_url=f"{base}/", timeout=30, trust_env=False) as client:

        async def one(local: str) -> tuple[str, list[Version]]:
            async with turns:
                return local, await _history(client, local)

        return dict(await asyncio.gather(*(one(local) for local in locals)))


async def _history(client: httpx.AsyncClient, local: str) -> list[Version]:
    current = await client.get(local)
    assert current.status_code in (200, 410), f"GET {local}: {current.status_code} {current.text[:500]}"
    page = await client.get(f"{local}/_history", params={"_count": _PAGE})
    assert page.status_code == 200, f"GET {local}/_history: {page.status_code} {page.text[:500]}"
    bundle = page.json()
    assert [link["relation"] for link in bundle["link"]] == ["self"], f"{local} has more than {_PAGE} versions"
    versions = [
        Version(_number(entry["response"]["etag"]), entry.get("resource"), position == 0)
        for position, entry in enumerate(bundle["entry"])
    ]
    read = current.json() if current.status_code == 200 else None
    assert versions[0].resource == read, f"GET {local} is not the newest version of its history"
    return sorted(versions, key=lambda version: version.number)


def _number(etag: str) -> int:
    return int(etag.removeprefix('W/"').removesuffix('"'))


def faults_of_versions(stored: Stored) -> list[str]:
    """Each id whose versions are not 1 to n, each there once, the highest current, each stamped with its own number."""
    faults = []
    for local, versions in stored.items():
        numbers = [version.number for version in versions]
        if numbers != list(range(1, len(numbers) + 1)):
            faults.append(f"{local} has the versions {numbers}")
        current = [version.number for version in versions if version.is_current]
        if current != numbers[-1:]:
            faults.append(f"{local} has the current versions {current} of {numbers}")
        faults += [
            f"{local} version {version.number} is stamped {version.resource.get('id')} {version.resource.get('meta')}"
            for version in versions
            if version.resource is not None and _stamp(version.resource) != (local, version.number)
        ]
    return faults


def _stamp(resource: dict[str, Any]) -> tuple[str, int]:
    return f"{resource['resourceType']}/{resource['id']}", int(resource["meta"]["versionId"])
