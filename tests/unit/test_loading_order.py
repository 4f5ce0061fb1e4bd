"""A later line of a file is written later, however many batches are on their way."""

import asyncio
from pathlib import Path
from typing import Any

from fhir_server.loading.load import Tally, load_all
from fhir_server.loading.sources import Unit


class Slow:
    """A destination whose earlier requests take longer than its later ones."""

    def __init__(self) -> None:
        self.runs = 0
        self.stored: dict[str, int] = {}

    async def run(self, bundle: dict[str, Any]) -> dict[str, Any]:
        self.runs += 1
        await asyncio.sleep(0.05 / self.runs)
        for entry in bundle["entry"]:
            self.stored[entry["resource"]["id"]] = entry["resource"]["multipleBirthInteger"]
        return {"entry": [{"response": {"status": "200"}} for _ in bundle["entry"]]}


async def test_the_last_line_about_a_resource_wins() -> None:
    lines = [{"resourceType": "Patient", "id": "same", "multipleBirthInteger": number} for number in range(20)]
    destination, tally = Slow(), Tally()
    await load_all([Unit(Path("f"), f"f:{n}", line) for n, line in enumerate(lines)], destination, tally)
    assert destination.stored == {"same": 19}
    assert tally.accepted["Patient"] == 20
