"""fhir-kit-client, unmodified: the scenarios of fhir-kit-client.mjs."""

import pytest

from tests.clients.scenarios import Ran, run, titles
from tests.conftest import RunningServer
from tests.require import require, require_npm

PROGRAM = "fhir-kit-client.mjs"


@pytest.fixture(scope="module")
def ran(populated: RunningServer) -> Ran:
    require_npm("fhir-kit-client")
    return run([require("node"), "--test-reporter=tap", PROGRAM], populated.base)


@pytest.mark.parametrize("title", titles(PROGRAM, "test"))
def test_fhir_kit_client(ran: Ran, title: str) -> None:
    ran.refuse_failed(title)
