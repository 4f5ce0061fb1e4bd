"""What a test needs beyond pip: tools of the machine, packages of npm, folders of data.

Where one is missing the test skips and says why; with FHIR_TEST_REQUIRE=all it fails instead.
"""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

TOOLS = {
    "wrk": "the load generator; on Debian: apt-get install wrk",
    "nginx": "the reverse proxy; on Debian: apt-get install nginx-light",
    "chromium": "the browser; on Debian: apt-get install chromium",
    "node": "Node.js; on Debian: apt-get install nodejs npm",
    "java": "Java 17 or newer; on Debian: apt-get install default-jdk-headless",
    "pdftotext": "reads the text of a PDF; on Debian: apt-get install poppler-utils",
    "openssl": "on Debian: apt-get install openssl",
    "setpriv": "runs a command with fewer rights; on Debian: apt-get install util-linux",
}
DATA = {
    "synthea": "24 patients' R4 transaction Bundles made by Synthea, *.json.gz",
    "packages": "FHIR packages (*.tgz), US Core 7.0.0 among them",
}


def require(tool: str) -> str:
    """The path of a tool of the machine, one of TOOLS."""
    what = TOOLS[tool]
    # Debian keeps servers such as nginx where an ordinary user's PATH does not look.
    found = shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    return found or _absent(f"{tool} is not installed ({what})")


def require_npm(package: str, folder: str = "clients") -> Path:
    """The folder of an installed npm package, from tests/<folder>/node_modules."""
    require("node")
    found = ROOT / "tests" / folder / "node_modules" / package
    if not found.is_dir():
        _absent(f"npm package {package} is not installed (npm ci --prefix tests/{folder})")
    return found


def require_jars(project: str) -> Path:
    """The folder with the jars that tests/clients/<project>/pom.xml names."""
    require("java")
    found = ROOT / ".packages" / project
    if not list(found.glob("*.jar")):
        _absent(
            f"no jars under .packages/{project} (mvn --file tests/clients/{project}/pom.xml "
            f"dependency:copy-dependencies -DoutputDirectory=$PWD/.packages/{project})"
        )
    return found


def require_cda_schema() -> Path:
    """The jar with the XML schema of CDA documents, with the extensions of C-CDA, under schema/ccda."""
    artifact = "org.openehealth.ipf.modules:ipf-modules-cda-core:3.6.3"
    found = ROOT / ".packages" / "cda" / "ipf-modules-cda-core-3.6.3.jar"
    if not found.is_file():
        command = f"mvn dependency:copy -Dartifact={artifact} -DoutputDirectory=$PWD/.packages/cda"
        _absent(f"no jar under .packages/cda ({command})")
    return found


def java_options(project: str) -> list[str]:
    """What java needs to run a program with those jars, its log quiet below warnings."""
    # A program of a few seconds is compiled once at most: 6.6 s of processor time instead of 15.
    quickly = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
    return [*quickly, "-cp", f"{require_jars(project)}/*", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


def require_data(folder: str) -> Path:
    """A folder of test data, one of DATA: under FHIR_TEST_DATA, else under shared/data beside the checkout."""
    what = DATA[folder]
    root = Path(os.environ.get("FHIR_TEST_DATA") or ROOT.parent / "shared" / "data")
    found = root / folder
    if not found.is_dir():
        _absent(f"no folder '{folder}' under FHIR_TEST_DATA ({what})")
    return found


def require_definition_packages() -> Path:
    """The folder with the two packages the R4 tables are made of, named by FHIR_DEFINITION_PACKAGES."""
    folder = Path(os.environ.get("FHIR_DEFINITION_PACKAGES") or ".packages")
    if not list(folder.glob("*.tgz")) or not list(folder.glob("*.whl")):
        _absent("FHIR_DEFINITION_PACKAGES names no folder with the packages that profiles/README.md lists")
    return folder


def _absent(reason: str) -> str:
    if os.environ.get("FHIR_TEST_REQUIRE") == "all":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
