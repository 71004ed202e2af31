"""A vault password by a file descriptor, which ansible's own processes do not have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

PASSWORD = "correct horse battery"


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """An inventory with a vaulted variable, without which the host cannot be looked at."""
    secret = VaultLib([("default", VaultSecret(PASSWORD.encode()))])
    text = secret.encrypt(b"/nowhere").decode().replace("\n", "\n          ")
    path = tmp_path / "hosts.yml"
    path.write_text(
        "all:\n  hosts:\n    here:\n      ansible_connection: local\n"
        f"      stack_dir: !vault |\n          {text}\n"
    )
    return path


def status(tmp_path: Path, hosts: Path, given: str, **how: object) -> dict[str, str]:
    words = ("ops", "status", "-i", str(hosts), "--vault-password-file", given)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "oncall_runbook", *words, "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        **how,  # type: ignore[call-overload]
    )
    assert PASSWORD not in done.stdout + done.stderr
    found: dict[str, str] = json.loads(done.stdout)["hosts"]["here"]
    return found


def test_it_comes_by_a_descriptor_and_opens_the_vault(tmp_path: Path, hosts: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, f"{PASSWORD}\n".encode())
    os.close(writing)
    found = status(tmp_path, hosts, f"/dev/fd/{reading}", pass_fds=[reading])
    os.close(reading)
    assert "no directory" in found["reason"]


def test_a_wrong_one_opens_nothing(tmp_path: Path, hosts: Path) -> None:
    found = status(tmp_path, hosts, "/dev/stdin", input="wrong\n")
    assert "no directory" not in found["reason"]


def test_nothing_of_it_stays(tmp_path: Path, hosts: Path) -> None:
    status(tmp_path, hosts, "/dev/stdin", input=f"{PASSWORD}\n")
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if PASSWORD in path.read_text()]
