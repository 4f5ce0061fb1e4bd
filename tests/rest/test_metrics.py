"""`GET /metrics`: the phases of searches, counted over all workers, with no health data."""

import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.conftest import RunningServer, StartServer
from tests.require import ROOT
from tests.rest.conftest import created, patient

SAMPLE = re.compile(r"^(fhir_search_phase_seconds_(?:bucket|sum|count))\{(.*)\} (\S+)$", re.MULTILINE)

COUNT_SOME = """
import sys
from pathlib import Path
from fhir_server import observability
observability.keep_in(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    phases = observability.Phases("search-type")
    phases.done("parse")
    phases.done("store")
print(sum(observability.totals()["search-type", "store"].counts))
"""


def metrics(running: RunningServer) -> str:
    answer = httpx.get(running.base.removesuffix("/fhir") + "/metrics", timeout=10, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.text


def counted(text: str, phase: str) -> float:
    """How often a phase was counted, over all interactions."""
    named = [(name, labels, float(value)) for name, labels, value in SAMPLE.findall(text)]
    return sum(value for name, labels, value in named if name.endswith("_count") and f'phase="{phase}"' in labels)


def test_the_metrics_are_in_the_text_format_of_prometheus(shared_server: RunningServer) -> None:
    answer = httpx.get(shared_server.base.removesuffix("/fhir") + "/metrics", trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE fhir_search_phase_seconds histogram" in answer.text


def test_every_search_counts_once_in_each_of_its_phases(server: StartServer) -> None:
    running = server()
    before = metrics(running)
    for _ in range(3):
        assert httpx.get(f"{running.base}/Patient?_count=1", trust_env=False).status_code == 200
    after = metrics(running)
    for phase in ("parse", "store", "bundle"):
        assert counted(after, phase) - counted(before, phase) == 3, after


def test_buckets_hold_ever_more_and_the_last_holds_all(server: StartServer) -> None:
    running = server()
    httpx.get(f"{running.base}/Patient", trust_env=False)
    values = [float(value) for name, labels, value in SAMPLE.findall(metrics(running)) if 'phase="store"' in labels]
    *buckets, count, _seconds = values
    assert buckets == sorted(buckets) and buckets[-1] == count == 1


def test_nothing_of_a_record_is_in_the_metrics(server: StartServer) -> None:
    running = server()
    name = f"Synthia{uuid4().hex}"
    with httpx.Client(base_url=f"{running.base}/", trust_env=False) as api:
        made = created(api, patient(name=[{"family": name}]))
        assert api.get("Patient", params={"name": name}).json()["total"] == 1
        assert api.get("Observation", params={"patient": made["id"]}).status_code == 200
    text = metrics(running)
    assert name.lower() not in text.lower()
    assert made["id"] not in text


def test_whichever_worker_is_asked_answers_for_all(server: StartServer) -> None:
    running = server(workers=2)
    for _ in range(40):
        # A new connection each time, so that both workers are asked.
        assert httpx.get(f"{running.base}/Patient", trust_env=False).status_code == 200
    assert {counted(metrics(running), "store") for _ in range(10)} == {40}


def test_what_an_ended_process_counted_stays_in_the_sum(tmp_path: Path) -> None:
    sums = [
        int(subprocess.check_output([sys.executable, "-c", COUNT_SOME, str(tmp_path), count], cwd=ROOT))
        for count in ("3", "4")
    ]
    assert sums == [3, 7]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_the_metrics_can_only_be_read(shared_server: RunningServer, method: str) -> None:
    answer = httpx.request(method, shared_server.base.removesuffix("/fhir") + "/metrics", trust_env=False)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_a_name_that_somebodys_web_page_made_up_reads_no_metrics(shared_server: RunningServer) -> None:
    origin = shared_server.base.removesuffix("/fhir")
    answer = httpx.get(f"{origin}/metrics", headers={"host": "other.example"}, trust_env=False)
    assert answer.status_code == 400
