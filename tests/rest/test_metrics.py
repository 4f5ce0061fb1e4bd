"""`GET /metrics`: interactions and their phases, counted over all workers, with no health data."""

import re
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

import fhir_server
from fhir_server.rest.routes import _INTERACTIONS as INTERACTIONS
from fhir_server.rest.routes import TABLE
from tests.conftest import RunningServer, StartServer
from tests.require import ROOT
from tests.rest.conftest import created, patient
from tests.rest.test_transaction import bundle

SAMPLE = re.compile(r"^(fhir_phase_duration_seconds_(?:bucket|sum|count))\{(.*)\} (\S+)$", re.MULTILINE)

COUNT_SOME = """
import sys
from pathlib import Path
from fhir_server import observability
observability.keep_in(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    phases = observability.Phases("search-type")
    phases.done("parse")
    phases.done("store")
print(sum(observability.totals("phase")["search-type", "store"].counts))
"""


DIE_IN_FLIGHT = """
import os, signal, sys
from pathlib import Path
from fhir_server import observability
observability.keep_in(Path(sys.argv[1]))
observability.request_began()
observability.request_ended("read", 200, 0.001)
observability.request_began()
os.kill(os.getpid(), signal.SIGKILL)
"""

TELL_WORKERS = """
import sys
from pathlib import Path
from fhir_server import observability
observability.keep_in(Path(sys.argv[1]))
living, ever = observability.workers()
print(len(living), ever, sum(each.in_flight for each in living))
print(sum(observability.totals("request")["read", "2xx"].counts))
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
    assert "# TYPE fhir_phase_duration_seconds histogram" in answer.text


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


def requests(text: str, interaction: str, status: str) -> float:
    """How many requests were answered by this class of status."""
    labels = f'interaction="{interaction}",status="{status}"'
    found = re.search(rf"^fhir_request_duration_seconds_count\{{{re.escape(labels)}\}} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def gauge(text: str, name: str) -> float:
    found = re.search(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)
    assert found is not None, f"there is no {name}"
    return float(found.group(1))


def test_every_interaction_is_counted_by_its_status(server: StartServer) -> None:
    running = server()
    with httpx.Client(base_url=f"{running.base}/", trust_env=False) as api:
        made = created(api, patient())
        place = f"Patient/{made['id']}"
        api.put(place, json=made | {"birthDate": "1980-01-01"})
        api.put(place, json=made | {"birthDate": "then"})
        api.put("Patient?identifier=urn:x|1", json=patient(identifier=[{"system": "urn:x", "value": "1"}]))
        for path in (place, f"{place}/_history/1", f"{place}/_history", "Patient/_history", "_history", "metadata"):
            assert api.get(path).status_code == 200
        for path in ("Patient?name=x", f"{place}/Observation", "?_type=Patient"):
            assert api.get(path).status_code == 200
        api.post("Patient/_search", data={"name": "x"})
        api.get("Patient/nobody")
        for kind in ("batch", "transaction"):
            api.post("", json=bundle(type=kind))
        api.delete(place)
        api.get("Patient/$nothing")
        httpx.get(running.base.removesuffix("/fhir") + "/nowhere", trust_env=False)
    text = metrics(running)
    expected = {
        ("create", "2xx"): 1,
        ("update", "2xx"): 1,
        ("update", "4xx"): 1,
        ("update-conditional", "2xx"): 1,
        ("read", "2xx"): 1,
        ("read", "4xx"): 1,
        ("vread", "2xx"): 1,
        ("history-instance", "2xx"): 1,
        ("history-type", "2xx"): 1,
        ("history-system", "2xx"): 1,
        ("search-type", "2xx"): 2,
        ("search-compartment", "2xx"): 1,
        ("search-system", "2xx"): 1,
        ("batch", "2xx"): 1,
        ("transaction", "2xx"): 1,
        ("delete", "2xx"): 1,
        ("operation", "4xx"): 1,
        ("unrouted", "4xx"): 1,
    }
    assert {key: requests(text, *key) for key in expected} == expected
    for phase in ("validate", "index"):
        assert counted(text, phase) == 2, "what is refused ends in the phase that refused it"


def test_every_endpoint_of_the_url_table_has_the_name_it_is_counted_by() -> None:
    nameless = {
        endpoint.__name__ for _, endpoints in TABLE for endpoint in endpoints.values() if endpoint not in INTERACTIONS
    }
    assert nameless == set()


def test_what_machines_ask_every_few_seconds_is_not_counted(server: StartServer) -> None:
    running = server()
    origin = running.base.removesuffix("/fhir")
    before = metrics(running)
    for path in ("/livez", "/readyz", "/metrics"):
        assert httpx.get(origin + path, trust_env=False).status_code == 200
    after = metrics(running)
    named = "fhir_request_duration_seconds_count"
    assert [line for line in after.splitlines() if named in line] == [
        line for line in before.splitlines() if named in line
    ]
    assert gauge(after, "fhir_requests_in_flight") == 0


def test_the_processes_are_told_of_by_number_memory_and_age(server: StartServer) -> None:
    running = server(workers=2)
    # The first answers while the second still starts.
    deadline = time.monotonic() + 30
    while gauge(text := metrics(running), "fhir_workers") < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert gauge(text, "fhir_workers") == 2
    assert gauge(text, "fhir_workers_started_total") == 2
    assert 40e6 < gauge(text, "fhir_workers_resident_memory_bytes") < 2e9
    assert 0 < time.time() - gauge(text, "fhir_workers_start_time_seconds") < 120
    assert f'version="{fhir_server.__version__}"' in text


def test_a_worker_that_was_killed_is_in_the_sums_and_no_more_in_flight(tmp_path: Path) -> None:
    kept = [sys.executable, "-c", DIE_IN_FLIGHT, str(tmp_path)]
    assert subprocess.run(kept, cwd=ROOT, check=False).returncode == -9
    told = [sys.executable, "-c", TELL_WORKERS, str(tmp_path)]
    assert subprocess.check_output(told, cwd=ROOT, text=True).split() == ["1", "2", "0", "1"]


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
