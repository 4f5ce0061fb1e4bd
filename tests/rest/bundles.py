"""What the tests of searches read from a searchset."""

from typing import Any

import httpx


def bundle_of(api: httpx.Client, url: str, **parameters: Any) -> dict[str, Any]:
    """The searchset a GET answers."""
    response = api.get(url, params=parameters or None)
    assert response.status_code == 200, response.text
    answered: dict[str, Any] = response.json()
    return answered


def places(bundle: dict[str, Any], mode: str = "match") -> list[str]:
    """`Type/id` of the entries of a mode, in order."""
    entries = [entry for entry in bundle.get("entry", []) if entry["search"]["mode"] == mode]
    return [f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in entries]


def found(api: httpx.Client, url: str, **parameters: Any) -> list[str]:
    """The ids of the matches of one page, in order."""
    return [place.partition("/")[2] for place in places(bundle_of(api, url, **parameters))]


def next_link(bundle: dict[str, Any]) -> str | None:
    """The link to the next page."""
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def all_pages(api: httpx.Client, url: str) -> list[dict[str, Any]]:
    """Every page from the first on."""
    pages, following = [], url
    while following:
        pages.append(bundle_of(api, following))
        following = next_link(pages[-1]) or ""
    return pages
