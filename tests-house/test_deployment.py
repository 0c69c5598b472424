"""What stands in compose, in the notes and in the lock agrees with the services there are."""

import gzip
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tree import ROOT, text

from chassis.manifest import Service, load
from packhouse.cloud import OWNER, VARIABLES
from packhouse.environment import installed_services

SERVICES = [load(name) for name in installed_services()]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
YAML_RULES = """
extends: default
rules:
  braces: {max-spaces-inside: 1}
  comments: {min-spaces-from-content: 1}
  document-start: disable
  line-length: {max: 140}
  truthy: {check-keys: false}
"""
LOCK = (ROOT / "requirements.lock").read_text()


def _processes(service: Service) -> set[tuple[str, str]]:
    """The service's containers and their commands."""
    if service.metadata is None:
        return {(service.name, "api")}
    return {(service.name, "api"), (f"{service.name}-worker", "worker"), (f"migrate-{service.name}", "migrate")}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_process_is_in_compose_and_deploy_notes(service: Service) -> None:
    notes = (ROOT / "docs" / "deploy.md").read_text()
    for name, command in _processes(service):
        assert COMPOSE["services"][name]["command"] == [command]
        assert f"`python -m chassis {service.name} {command}`" in notes


def test_the_cloud_is_told_to_the_service_that_uses_it_and_its_stand_ins_are_checked() -> None:
    services = COMPOSE["services"]
    told = {name for name, one in services.items() if set(VARIABLES) & set(one.get("environment", ()))}
    assert told == {f"migrate-{OWNER}", OWNER, f"{OWNER}-worker"}
    asked = set(VARIABLES) - {"PACKHOUSE_STORAGE_KEY_FILE"}
    assert asked <= set(services[OWNER]["environment"]), "the key's place stands in the service's file of secrets"
    for name in ("pubsub", "storage"):
        assert services[name]["entrypoint"] == ["python", "-m", "emulators"]
        assert services[name]["command"][0] == name
        assert services[name]["healthcheck"]["test"]
        assert services[OWNER]["depends_on"][name] == {"condition": "service_healthy"}


def test_every_published_port_is_for_this_machine_only() -> None:
    ports = [port for one in COMPOSE["services"].values() for port in one.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_follows_its_schema() -> None:
    tool = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*tool, "docker-compose.yml"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_container_that_stays_is_checked() -> None:
    for service in SERVICES:
        for name, command in _processes(service):
            assert (COMPOSE["services"][name]["healthcheck"].get("disable") is True) == (command == "migrate"), name


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_follows_its_schema(workflow: Path) -> None:
    tool = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*tool, str(workflow)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_ci_on_debian_runs_what_a_submission_runs_and_makes_every_image() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert jobs["test"]["container"] == "debian:12"
    assert ".ci/run" in [step.get("run") for step in jobs["test"]["steps"]]
    assert jobs["image"]["strategy"]["matrix"]["service"] == "${{ fromJSON(needs.services.outputs.names) }}"
    assert {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")} == {one.name for one in SERVICES}


def test_every_yaml_file_reads_as_it_looks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "yamllint", "--strict", "-d", YAML_RULES, "docker-compose.yml", ".github", "deploy"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_lock_covers_what_the_members_ask_for() -> None:
    locked = set(re.findall(r"^([a-z0-9.-]+)==", LOCK, re.MULTILINE))
    for path in [*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]:
        asked = tomllib.loads(text(path.relative_to(ROOT)))["project"]["dependencies"]
        names = {re.split(r"[\[<>=]", one)[0] for one in asked}
        assert {name for name in names if not name.startswith("packhouse-")} <= locked, path


def test_every_locked_package_has_its_hashes() -> None:
    packages = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert packages
    assert all("--hash=sha256:" in package for package in packages)


def test_every_vendored_file_is_the_one_its_list_names() -> None:
    lines = [line.split() for line in (ROOT / "deploy" / "vendored.lock").read_text().splitlines() if line[0] != "#"]
    assert lines
    for package, _, digest, place in lines:
        content = gzip.decompress((ROOT / place).read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest, f"{place} is not of {package}: make vendor"
