"""A running server, and what it holds as the matcher by hand sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.property.naive_search import Pairs, Resource, Stored, World, ordered, sort_keys

COUNT = 48
"""Resources of each type where they are generated."""
MAX_PAGES = 1000


@dataclass(frozen=True)
class Served:
    """A client of the server, and what the server holds as the matcher by hand sees it."""

    client: httpx.Client
    world: World

    def get(self, type: str, pairs: Pairs) -> dict[str, Any]:
        """The Bundle of a search; anything but a 200 fails."""
        response = self.client.get(type, params=list(pairs))
        assert response.status_code == 200, (type, pairs, response.text)
        bundle: dict[str, Any] = response.json()
        return bundle

    def post(self, type: str, pairs: Pairs) -> dict[str, Any]:
        """The same by a form."""
        form: dict[str, list[str]] = {}
        for name, value in pairs:
            form.setdefault(name, []).append(value)
        response = self.client.post(f"{type}/_search", data=form)
        assert response.status_code == 200, (type, pairs, response.text)
        bundle: dict[str, Any] = response.json()
        return bundle

    def pages(self, type: str, pairs: Pairs) -> list[list[str]]:
        """The ids of every page, by the next links."""
        bundle = self.get(type, pairs)
        pages = [ids(bundle)]
        while link := next((each["url"] for each in bundle["link"] if each["relation"] == "next"), None):
            response = self.client.get(link)
            assert response.status_code == 200, (type, pairs, response.text)
            bundle = response.json()
            pages.append(ids(bundle))
            assert len(pages) <= MAX_PAGES, "the pages do not end"
        return pages

    def expected(self, type: str, pairs: Pairs) -> list[str]:
        """The ids that the matcher by hand finds, sorted."""
        return sorted(each.id for each in self.world.found(type, pairs))

    def in_order(self, type: str, pairs: Pairs, sort: str, found: Sequence[str]) -> bool:
        """Whether ids are what the matcher by hand finds, in the order of `sort`; ties may stand either way."""
        by_id = {each.id: each for each in self.world.records[type]}
        expected = [sort_keys(each, sort) for each in ordered(self.world.found(type, pairs), sort)]
        return sorted(found) == self.expected(type, pairs) and expected == [sort_keys(by_id[id], sort) for id in found]


def ids(bundle: dict[str, Any], mode: str = "match") -> list[str]:
    """Of the entries of a mode on a page, in order."""
    return [entry["resource"]["id"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == mode]


def put_and_read(client: httpx.Client, base: str, resources: Mapping[str, Sequence[Resource]]) -> World:
    """Writes resources by type under their own ids and reads each by its id: no search has a part in it."""
    for type, made in resources.items():
        batch(client, [("PUT", f"{type}/{each['id']}", each) for each in made])
    return World(base, datetime.now(UTC), {type: read(client, type, made) for type, made in resources.items()})


def read(client: httpx.Client, type: str, made: Sequence[Resource]) -> list[Stored]:
    """The resources of one type as the server has them, by their ids."""
    rows = batch(client, [("GET", f"{type}/{each['id']}", None) for each in made])
    return [stored(row["resource"]) for row in rows]


def batch(client: httpx.Client, requests: Sequence[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    """The entries answered to method, URL and resource of each request; one that failed fails."""
    entries = [
        {"request": {"method": method, "url": url}} | ({"resource": resource} if resource else {})
        for method, url, resource in requests
    ]
    response = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    answered: list[dict[str, Any]] = response.json()["entry"]
    failed = [row["response"] for row in answered if row["response"]["status"][:1] != "2"]
    assert failed == []
    return answered


def stored(resource: Resource) -> Stored:
    """A resource as it was answered, with the moment its meta says."""
    return Stored(resource["id"], datetime.fromisoformat(resource["meta"]["lastUpdated"]), resource)
