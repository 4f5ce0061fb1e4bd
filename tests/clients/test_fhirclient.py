"""fhirclient, SMART's own client for JavaScript, unmodified: the scenarios of fhirclient.mjs."""

import pytest

from tests.clients.scenarios import Ran, run, titles
from tests.conftest import RunningServer
from tests.require import require, require_npm

PROGRAM = "fhirclient.mjs"


@pytest.fixture(scope="module")
def ran(populated: RunningServer) -> Ran:
    require_npm("fhirclient")
    return run([require("node"), "--test-reporter=tap", PROGRAM], populated.base)


@pytest.mark.parametrize("title", titles(PROGRAM, "test"))
def test_fhirclient(ran: Ran, title: str) -> None:
    ran.refuse_failed(title)
