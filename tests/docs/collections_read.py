"""The .http files and the Postman collection read back, as the tools that people open them with do."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as it is sent: `url` with its variables filled in, `status` the one it says it is answered with."""

    title: str
    status: int
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str

    def __str__(self) -> str:
        return f"{self.method} {self.url} ({self.title})"


def http_file(path: Path, base: str) -> Iterator[Sent]:
    """The requests of a .http file, its variable `base` set to another value."""
    head, *parts = re.split(r"^### ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert re.search(r"^@base = \S+$", head, re.MULTILINE), f"{path.name} sets no @base"
    assert re.search(r"^@token = \S+$", head, re.MULTILINE), f"{path.name} sets no @token"
    for part in parts:
        top, _, body = part.partition("\n\n")
        title, status, line, bears, *headers = top.splitlines()
        assert bears == "Authorization: Bearer {{token}}", f"{title} bears no access token"
        method, url = line.split(" ")
        pairs = tuple((name, value) for name, _, value in (header.partition(": ") for header in headers))
        yield Sent(title, int(status.removeprefix("# ")), method, url.replace("{{base}}", base), pairs, body.rstrip())


def postman_collection(path: Path, base: str) -> Iterator[Sent]:
    """The requests of a Postman collection with the parts of their URLs put together."""
    held = json.loads(path.read_text(encoding="utf-8"))
    assert held["info"]["schema"].endswith("/v2.1.0/collection.json")
    assert [each["key"] for each in held["variable"]] == ["base", "token"]
    assert held["auth"]["bearer"] == [{"key": "token", "value": "{{token}}", "type": "string"}]
    for folder in held["item"]:
        for item in folder["item"]:
            yield _of_item(item, base)


def _of_item(item: dict[str, Any], base: str) -> Sent:
    request = item["request"]
    url = request["url"]
    together = "/".join([*url["host"], *url["path"]])
    if "query" in url:
        together += "?" + "&".join(f"{each['key']}={each['value']}" for each in url["query"])
    assert together == url["raw"]
    script = "".join(line for event in item["event"] for line in event["script"]["exec"])
    (status,) = re.findall(r"to\.have\.status\((\d+)\)", script)
    return Sent(
        item["name"],
        int(status),
        request["method"],
        together.replace("{{base}}", base),
        tuple((header["key"], header["value"]) for header in request["header"]),
        request.get("body", {}).get("raw", ""),
    )
