"""Requests that work on the demo population: those of the API documentation, the .http files and the Postman file.

Every path is relative to the FHIR base and written without percent-encoding. Those that write do so under ids of their
own (`example-...`), or change what no story looks at, so that each works however often and in whatever order.
"""

from dataclasses import dataclass
from typing import Literal

from seeds import example_reads, example_writes


@dataclass(frozen=True, slots=True)
class Example:
    """One request. `type` is the resource type it shows, or empty for the whole system; `body` the text sent.

    `headers` are pairs of name and value, besides Accept. `status` is the HTTP status it gives on a fresh population.
    """

    type: str
    title: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200


EXAMPLES: tuple[Example, ...] = (
    *(Example("", title, "GET", path) for title, path in example_reads.SYSTEM),
    *(Example(type, f"Read {title}", "GET", f"{type}/{id}") for type, (title, id) in example_reads.READS.items()),
    *(Example(path.partition("?")[0].partition("/")[0], title, "GET", path) for title, path in example_reads.SEARCHES),
    *(
        Example(each.type, each.title, each.method, each.path, each.body, each.headers, each.status)
        for each in example_writes.WRITES
    ),
)
