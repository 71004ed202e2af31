"""Cards of a site's own, without a host: found, written, checked and tried."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

Runbook = Callable[..., subprocess.CompletedProcess[str]]
HOSTS = "all: {hosts: {web: {ansible_connection: local}}}\n"


@pytest.fixture
def runbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runbook:
    """The real command in a site's directory, with an inventory."""
    (tmp_path / "hosts.yml").write_text(HOSTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNBOOK_INVENTORY", "hosts.yml")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "oncall_runbook", *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return run


def test_a_new_card_is_in_order_and_known(runbook: Runbook, tmp_path: Path) -> None:
    made = runbook("new", "Disk-Slow")
    files = [f"incidents/{part}disk_slow.yml" for part in ("", "faults/", "near_misses/")]
    assert (made.returncode, made.stdout.splitlines()) == (0, files)
    assert runbook("lint").returncode == 0
    assert "SEV3  disk_slow" in runbook("list").stdout
    assert "disk_slow_limit_percent" in runbook("show", "disk-slow").stdout
    tried = json.loads(runbook("test", "disk_slow", "--format", "json").stdout)
    assert [check["wrong"] for check in tried] == ["", "", ""]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("memory-leak", "there is a card memory_leak already"),
        ("../etc", "is no name of a card"),
        ("7", "is no name of a card"),
        ("new", "incidents/faults/new.yml exists already"),
    ],
)
def test_a_name_that_cannot_be_is_one_line(
    runbook: Runbook, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "incidents/faults").mkdir(parents=True)
    (tmp_path / "incidents/faults/new.yml").write_text("mine")
    done = runbook("new", name)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
    assert not (tmp_path / "incidents/memory_leak.yml").exists()


def test_other_places_are_named_by_an_option(runbook: Runbook, tmp_path: Path) -> None:
    assert runbook("new", "disk-slow", "--in", "elsewhere").returncode == 0
    assert "disk_slow" not in runbook("list").stdout
    assert "disk_slow" in runbook("list", "--cards", "elsewhere").stdout
    done = runbook("list", "--cards", "nowhere")
    assert done.returncode == 2
    assert "--cards nowhere: there is no such directory, and no collection" in done.stderr


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"confirmed": "disk_slow_used.healthy"}, "confirmed is decided by every answer"),
        ({"explains": ["disk_slow"]}, "its text is a card"),
    ],
)
def test_what_a_card_does_not_keep_is_told(
    runbook: Runbook, tmp_path: Path, change: dict[str, object], wrong: str
) -> None:
    runbook("new", "disk-slow")
    path = tmp_path / "incidents/disk_slow.yml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    done = runbook("test", "disk_slow", "--format", "json")
    checks = {check["what"]: check["wrong"] for check in json.loads(done.stdout)}
    assert done.returncode == 2
    assert checks[wrong]


def test_a_card_that_everybody_may_write_to_is_not_read(runbook: Runbook, tmp_path: Path) -> None:
    runbook("new", "disk-slow")
    path = tmp_path / "incidents/disk_slow.yml"
    path.chmod(0o666)
    assert "everybody may write to" in runbook("lint").stdout
    done = runbook("triage", "--format", "json")
    assert done.returncode == 1
    reason = json.loads(done.stdout)["hosts"]["web"]["reason"]
    assert f"{path} is not read: everybody may write to {path}; chmod o-w it" in reason


@pytest.mark.parametrize("name", ["stack_slow", "memory_leak_deep", "memory_leak"])
def test_names_that_others_inputs_begin_with_are_taken(
    runbook: Runbook, tmp_path: Path, name: str
) -> None:
    runbook("new", "disk-slow")
    (tmp_path / "incidents/disk_slow.yml").rename(tmp_path / f"incidents/{name}.yml")
    assert "is taken; give the card another one" in runbook("lint").stdout


def test_what_is_no_yaml_says_where(runbook: Runbook, tmp_path: Path) -> None:
    (tmp_path / "incidents").mkdir()
    (tmp_path / "incidents/disk_slow.yml").write_text("title: a: b\n")
    assert "disk_slow.yml:1: is no YAML" in runbook("lint").stdout
    assert "disk_slow.yml:1: is no YAML" in runbook("list").stderr


@pytest.mark.parametrize("way", ["option", "inventory", "plain"])
def test_a_collection_may_bring_cards(
    runbook: Runbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    root = tmp_path / "collections/ansible_collections/acme/web"
    assert runbook("new", "disk-slow", "--in", str(root / "incidents")).returncode == 0
    (root / "galaxy.yml").write_text("{namespace: acme, name: web, version: 1.0.0}\n")
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path / "collections"))
    if way == "option":
        assert "disk_slow" in runbook("list", "--cards", "acme.web").stdout
        done = runbook("triage", "--cards", "acme.web", "--format", "json")
        assert "disk_slow" in json.loads(done.stdout)["hosts"]["web"]["incidents"]
        return
    group = {"hosts": {"web": {"ansible_connection": "local"}}, "vars": {}}
    group["vars"]["incident_cards"] = ["acme.web"]
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": group}))
    if way == "inventory":
        done = runbook("triage", "--format", "json")
        assert "disk_slow" in json.loads(done.stdout)["hosts"]["web"]["incidents"]
        return
    playbook = Path(sys.executable).with_name("ansible-playbook")
    command = [str(playbook), "-i", "hosts.yml", "oncall.runbook.triage", "-v"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "disk_slow" in told.stdout
