"""HAPI FHIR's generic client for Java, unmodified: the scenarios of hapi/Walk.java."""

import pytest

from tests.clients.scenarios import Ran, run, titles
from tests.conftest import RunningServer
from tests.require import java_options, require

PROGRAM = "hapi/Walk.java"


@pytest.fixture(scope="module")
def ran(populated: RunningServer) -> Ran:
    return run([require("java"), *java_options("hapi"), PROGRAM], populated.base)


@pytest.mark.parametrize("title", titles(PROGRAM, "scenario"))
def test_hapi(ran: Ran, title: str) -> None:
    ran.refuse_failed(title)
