"""Dockerfile and compose.yaml fit the project, as far as can be known without a container engine.

https://docs.docker.com/reference/dockerfile/, https://docs.docker.com/reference/compose-file/
"""

import fnmatch
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

import fhir_server
from fhir_server.app import create_app
from fhir_server.cli import app as command_line
from fhir_server.settings import Settings, auth_refusal
from fhir_server.store.check import OLDEST_MONGODB
from tests.conftest import StartServer
from tests.require import ROOT, require

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MEMBERS = ("mongodb-1", "mongodb-2", "mongodb-3")

SERVICE_KEYS = frozenset(
    [
        "build",
        "cap_drop",
        "command",
        "depends_on",
        "environment",
        "healthcheck",
        "image",
        "network_mode",
        "read_only",
        "restart",
        "security_opt",
        "stop_grace_period",
        "tmpfs",
        "ulimits",
        "volumes",
    ]
)
HEALTH_KEYS = frozenset(["test", "interval", "timeout", "start_period", "retries"])
DURATION = re.compile(r"\d+(?:ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of the Dockerfile. `stage` counts from 0."""

    stage: int
    name: str
    text: str


def steps() -> list[Step]:
    """The instructions, continued lines joined, comments and what stands before the first FROM left out."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found, stage = [], -1
    for line in filter(None, map(str.strip, text.replace("\\\n", " ").splitlines())):
        name, _, rest = line.partition(" ")
        stage += name == "FROM"
        found.append(Step(stage, name, " ".join(rest.split())))
    return found


STEPS = steps()
LAST = max(step.stage for step in STEPS)


def of(name: str, stage: int = LAST) -> list[str]:
    """What an instruction says in a stage, each time it is there."""
    return [step.text for step in STEPS if step.name == name and step.stage == stage]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for text in of("ENV") for pair in shlex.split(text))


def labels() -> dict[str, str]:
    return dict(pair.split("=", 1) for text in of("LABEL") for pair in shlex.split(text))


def arguments() -> dict[str, str]:
    """Build arguments with their defaults, of all stages."""
    return dict(step.text.split("=", 1) for step in STEPS if step.name == "ARG" and "=" in step.text)


def copied() -> list[str]:
    """What the first stage copies from the checkout."""
    return [source for text in of("COPY", 0) for source in text.split()[:-1] if not text.startswith("--from")]


def health_command(text: str) -> list[str]:
    command: list[str] = json.loads(text.partition("CMD ")[2])
    return command


def options(words: list[str]) -> dict[str, Any]:
    """The options of `fhir-server` with these words, as the command line itself reads them."""
    serve = typer.main.get_command(command_line).commands[words[0]]  # type: ignore[attr-defined]
    context = serve.make_context(words[0], list(words[1:]))
    return {name: value for name, value in context.params.items() if value is not None}


def test_each_stage_is_based_on_a_python_of_an_exact_version_that_the_project_supports() -> None:
    version = arguments()["PYTHON_VERSION"]
    assert re.fullmatch(r"3\.\d+\.\d+", version)
    assert [text.partition(" AS ")[0] for stage in (0, LAST) for text in of("FROM", stage)] == [
        "python:${PYTHON_VERSION}-slim-bookworm"
    ] * 2
    minor = ".".join(version.split(".")[:2])
    assert f"Programming Language :: Python :: {minor}" in PROJECT["classifiers"]


def test_what_is_copied_exists_and_is_not_left_out_of_the_context() -> None:
    assert {"constraints.txt", "pyproject.toml", *("fhir_server", "smart_auth", "profiles", "seeds")} <= set(copied())
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in copied():
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in let_in), f".dockerignore leaves {source} out"
    assert set(let_in) == set(copied()), ".dockerignore lets in what is not copied"


def test_what_the_build_needs_of_the_checkout_is_copied() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*wheel["packages"], PROJECT["readme"], *PROJECT["license-files"]} <= set(copied())


def test_what_is_installed_is_what_the_tests_ran_with() -> None:
    (environment_of_build,) = of("ENV", 0)
    assert "PIP_CONSTRAINT=/build/constraints.txt" in environment_of_build
    assert "PIP_NO_CACHE_DIR=1" in environment_of_build
    (install,) = [text for text in of("RUN", 0) if "pip install" in text]
    extras = re.findall(r"\[(.*?)\]", install)
    assert extras and set(extras) <= set(PROJECT["optional-dependencies"]) - {"embedded", "dev"}


def test_the_image_runs_by_number_as_a_user_without_rights() -> None:
    (user,) = of("USER")
    assert re.fullmatch(r"[1-9]\d{4,}:[1-9]\d{4,}", user)
    assert STEPS.index(Step(LAST, "USER", user)) < STEPS.index(Step(LAST, "ENTRYPOINT", of("ENTRYPOINT")[0]))


def test_the_labels_tell_version_licence_and_origin() -> None:
    found = {name.removeprefix("org.opencontainers.image."): value for name, value in labels().items()}
    assert found["version"] == "${VERSION}" and arguments()["VERSION"] == PROJECT["version"] == fhir_server.__version__
    assert found["licenses"] == PROJECT["license"]
    assert (found["revision"], found["source"]) == ("${REVISION}", "${SOURCE}")


def test_the_variables_set_are_settings_and_their_values_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {name: value for name, value in environment().items() if name.startswith("FHIR_")}
    assert ours
    for name, value in ours.items():
        assert name.removeprefix("FHIR_").lower() in Settings.model_fields, name
        monkeypatch.setenv(name, value)
    assert Settings().port == int(of("EXPOSE")[0])


def test_what_is_started_is_a_command_of_the_project_which_tells_who_may_come_in() -> None:
    (entry,) = of("ENTRYPOINT")
    assert json.loads(entry) == ["fhir-server"] and "fhir-server" in PROJECT["scripts"]
    (command,) = of("CMD")
    chosen = options(json.loads(command))
    # Nobody comes in unasked, and from outside the container only where TLS is spoken.
    assert Settings(**chosen).auth == "smart"
    assert "needs TLS" in (auth_refusal(Settings(**chosen, host="0.0.0.0")) or "")


def test_one_folder_is_written_to_and_it_belongs_to_the_user() -> None:
    set_up = " ".join(of("RUN"))
    user = of("USER")[0].split(":")[0]
    folder = environment()["TMPDIR"]
    assert f"install -d -o {user} -g {user} -m 0700 {folder}" in set_up
    assert environment()["FHIR_DATA_DIR"] == folder


def test_the_health_checks_ask_for_routes_that_exist() -> None:
    paths = {getattr(route, "path", None) for route in create_app(Settings(auth="off")).routes}
    for text in (*of("HEALTHCHECK"), json.dumps(SERVICES["server"]["healthcheck"]["test"])):
        (path,) = re.findall(r"'(/[a-z]+)'", text)
        assert path in paths


@pytest.mark.parametrize(
    "command",
    [health_command(of("HEALTHCHECK")[0]), SERVICES["server"]["healthcheck"]["test"][1:]],
    ids=["image", "compose"],
)
def test_the_health_check_succeeds_on_a_running_server_and_fails_on_a_stopped_one(
    server: StartServer, command: list[str]
) -> None:
    running = server()
    port = running.base.removesuffix("/fhir").rpartition(":")[2]
    assert command[0] == "python"
    inherited = os.environ | {"FHIR_PORT": port, "http_proxy": "http://127.0.0.1:9"}

    def checked() -> int:
        check = [sys.executable, *command[1:]]
        return subprocess.run(check, env=inherited, capture_output=True, timeout=30, check=False).returncode

    assert checked() == 0
    running.stop()
    assert checked() == 1


def test_compose_uses_only_keys_and_forms_that_compose_has() -> None:
    assert set(COMPOSE) <= {"name", "services", "volumes"} | {key for key in COMPOSE if key.startswith("x-")}
    for name, service in SERVICES.items():
        assert set(service) <= SERVICE_KEYS, name
        command = service.get("command", [])
        assert all(isinstance(word, str) for word in command), f"{name}: YAML takes {command} for something else"
        assert all(isinstance(value, str) for value in service.get("environment", {}).values()), name
        health = service.get("healthcheck", {})
        assert set(health) <= HEALTH_KEYS
        assert all(DURATION.fullmatch(str(health[key])) for key in HEALTH_KEYS & {"interval", "timeout"} & set(health))
        for other, when in service.get("depends_on", {}).items():
            ends = SERVICES[other]["restart"] == "on-failure"
            assert when["condition"] == ("service_completed_successfully" if ends else "service_healthy")
            assert ends or "healthcheck" in SERVICES[other]
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert mounted == set(COMPOSE["volumes"])


def test_every_image_is_of_an_exact_version_and_mongodb_is_new_enough() -> None:
    for name, service in SERVICES.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
    assert SERVICES["server"]["image"] == f"fhir-server:{PROJECT['version']}"
    versions = {SERVICES[name]["image"] for name in (*MEMBERS, "replica-set")}
    assert len(versions) == 1
    assert int(versions.pop().partition(":")[2].partition(".")[0]) >= OLDEST_MONGODB


def test_everything_listens_on_loopback_of_the_machine() -> None:
    for service in SERVICES.values():
        assert service["network_mode"] == "host"
    for name in MEMBERS:
        assert _value(SERVICES[name]["command"], "--bind_ip") == "127.0.0.1"
    mail = SERVICES["mail"]["environment"]
    assert all(mail[name].startswith("127.0.0.1:") for name in ("MP_SMTP_BIND_ADDR", "MP_UI_BIND_ADDR"))
    chosen = _server_settings()
    assert chosen.auth == "smart" and auth_refusal(chosen) is None


def test_the_server_is_told_of_all_three_members_and_they_of_each_other() -> None:
    uri = _server_settings().mongodb_uri
    assert uri is not None
    hosts, _, query = uri.get_secret_value().removeprefix("mongodb://").partition("/?")
    names = {_value(SERVICES[name]["command"], "--replSet") for name in MEMBERS}
    assert query == f"replicaSet={names.pop()}" and not names
    listened = [f"127.0.0.1:{_value(SERVICES[name]['command'], '--port')}" for name in MEMBERS]
    assert hosts.split(",") == listened
    for name, address in zip(MEMBERS, listened, strict=True):
        assert _value(SERVICES[name]["healthcheck"]["test"], "--port") == address.partition(":")[2]
    script = SERVICES["replica-set"]["command"][-1]
    assert re.findall(r'host: "(.*?)"', script) == listened


def test_no_two_services_want_the_same_port() -> None:
    ports = [_value(SERVICES[name]["command"], "--port") for name in MEMBERS]
    ports += [str(_server_settings().port)]
    ports += [value.partition(":")[2] for name, value in SERVICES["mail"]["environment"].items() if "ADDR" in name]
    assert len(set(ports)) == len(ports) == 6


@pytest.mark.parametrize("state", ["new", "running"])
def test_the_set_is_initiated_once_and_its_primary_waited_for(state: str) -> None:
    told = """
    let looks = 0, initiated = [];
    const rs = {
        status() {
            if (state === "new" && !initiated.length) throw Object.assign(new Error(), {codeName: "NotYetInitialized"});
            return {members: [{stateStr: "SECONDARY"}, {stateStr: looks++ > 2 ? "PRIMARY" : "SECONDARY"}]};
        },
        initiate(config) { initiated.push(config); },
    };
    const sleep = () => {};
    """
    script = SERVICES["replica-set"]["command"][-1]
    assert "$" not in script, "compose would take it for a variable"
    program = f"const state = '{state}';{told}{script};console.log(JSON.stringify([initiated, looks]))"
    initiated, looks = json.loads(subprocess.check_output([require("node"), "-e", program], text=True, timeout=60))
    assert looks >= 3
    assert [config["_id"] for config in initiated] == (["fhir"] if state == "new" else [])
    assert all(len(config["members"]) == 3 for config in initiated)


def test_a_read_only_root_leaves_the_one_folder_writable() -> None:
    server = SERVICES["server"]
    assert server["read_only"] is True
    (mounted,) = server["tmpfs"]
    folder, _, how = mounted.partition(":")
    assert folder == environment()["TMPDIR"]
    assert f"uid={of('USER')[0].split(':')[0]}" in how.split(",")


def test_what_is_built_is_this_checkout_with_arguments_that_the_dockerfile_takes() -> None:
    build = SERVICES["server"]["build"]
    assert (ROOT / build["context"] / "Dockerfile") == ROOT / "Dockerfile"
    assert set(build["args"]) <= set(arguments())


def _server_settings() -> Settings:
    """The settings of the server in compose.yaml."""
    server = SERVICES["server"]
    given = server["environment"]
    for name in given:
        assert name.removeprefix("FHIR_").lower() in Settings.model_fields, name
    named = {name.removeprefix("FHIR_").lower(): value for name, value in given.items()}
    return Settings(**(named | options(server["command"])))


def _value(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_the_files_are_where_the_tools_look_for_them() -> None:
    assert all(Path(ROOT, name).is_file() for name in ("Dockerfile", ".dockerignore", "compose.yaml"))
