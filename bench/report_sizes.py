"""The part of docs/performance.md about searches at several sizes."""

from collections.abc import Iterator, Sequence

from bench.families import FLOOR_SEARCH, IN_A_RECORD, Family
from bench.report import machine_lines
from bench.sizes import CACHE_GIGABYTES, FAMILY_SECONDS, REQUESTS, SizeFigures, Timed

METHOD = """\
The records are charts of 50 resources, inserted past the server by two processes with the search values that the server
makes, and then indexed as it indexes; MongoDB keeps {cache:.0f} GB in memory. One client asks one search after another,
each with values out of a chart drawn by lot: {requests} times, or for {seconds:.0f} s where that is less, after a
warm-up. Times are from the first byte of the request to the last of the answer, in ms. *Entries* is the median at the
largest size, included resources with them; for a count it is what was counted. *Growth* is the p95 at the largest size
over that at the smallest. A status in place of times is a search that the server refuses for its cost.
"""


def sizes_part(figures: SizeFigures, chosen: Sequence[Family]) -> str:
    """The Markdown of the part, without its heading."""
    lines = [
        *machine_lines(figures.mongodb_version),
        "",
        *_load_table(figures),
        "",
        "### Searches that name a patient",
        "",
        *_table(figures, chosen, in_a_record=True),
        "",
        "### Searches over all patients",
        "",
        *_table(figures, chosen, in_a_record=False),
        "",
        METHOD.format(cache=CACHE_GIGABYTES, requests=REQUESTS, seconds=FAMILY_SECONDS),
    ]
    return "\n".join(lines)


def _load_table(figures: SizeFigures) -> list[str]:
    lines = ["| | " + " | ".join(f"{size.resources:,}" for size in figures.sizes) + " |"]
    lines.append("| --- |" + " ---: |" * len(figures.sizes))
    loads = [size.inserted for size in figures.sizes]
    lines.append(
        "| inserted and indexed, resources/s | "
        + " | ".join(f"{each.resources / each.seconds:,.0f}" for each in loads)
        + " |"
    )
    lines.append("| on disk, MB | " + " | ".join(f"{each.disk_bytes / 2**20:,.0f}" for each in loads) + " |")
    extraction = f"Making the search values of an Observation takes {figures.extraction_microseconds:.0f} µs."
    return [*lines, "", extraction]


def _table(figures: SizeFigures, chosen: Sequence[Family], in_a_record: bool) -> Iterator[str]:
    heads = [f"{size.resources:,} p50 / p95" for size in figures.sizes]
    yield "| search | what | entries | " + " | ".join(heads) + " | growth |"
    yield "| --- | --- | ---: |" + " ---: |" * (len(figures.sizes) + 1)
    for position, family in enumerate(chosen):
        if (family in IN_A_RECORD) is in_a_record:
            yield _line(f"{family.name} | {family.what}", [size.timed[position] for size in figures.sizes])
            if family == FLOOR_SEARCH:
                yield _line("*the floor* | the same", [size.floor for size in figures.sizes])


def _line(name: str, timed: Sequence[Timed]) -> str:
    cells = [each.problem or f"{each.p50:.1f} / {each.p95:.1f}" for each in timed]
    first, last = timed[0], timed[-1]
    growth = "" if first.problem or last.problem else f"{last.p95 / first.p95:.1f}"
    entries = "" if last.problem else f"{last.entries:,.0f}"
    return f"| {name} | {entries} | " + " | ".join(cells) + f" | {growth} |"
