"""What is shipped: the wheel and the collection's archive, made from this checkout and used."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename
from packaging.version import Version
from test_lock_file import asked_for

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
INSIDE = "ansible_collections/oncall/runbook/"
VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
MANUAL = f"oncall_runbook-{VERSION}.data/data/share/man/man1/runbook.1"
# What lies about in a checkout and must never be shipped.
LITTER = [
    ".venv/lib/python3/site-packages/other.py",
    ".lab/id_ed25519",
    "dist/old.whl",
    "runner/oncall_runbook/commands/__pycache__/cli.cpython-311.pyc",
    "plugins/action/__pycache__/act.cpython-311.pyc",
]


def run(*command, cwd, env=None, check=True):
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=env,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def listed(*options):
    out = subprocess.run(
        ["git", "ls-files", "-z", *options], cwd=ROOT, check=True, stdout=-1
    ).stdout
    names = [Path(name) for name in out.decode().split("\0") if name]
    return sorted(name for name in names if (ROOT / name).is_file())


@pytest.fixture(scope="session")
def shipped():
    """What git tracks, or would: the work tree as it is, without what .gitignore names."""
    return listed("--cached", "--others", "--exclude-standard")


@pytest.fixture(scope="session")
def source(shipped, tmp_path_factory):
    """A copy of the checkout that nobody else works in, with litter."""
    place = tmp_path_factory.mktemp("source")
    for name in [*shipped, *map(Path, LITTER)]:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file() and str(name) not in LITTER:
            shutil.copy2(ROOT / name, place / name)
        else:
            (place / name).write_text("litter")
    return place


@pytest.fixture(scope="session")
def dist(source, tmp_path_factory):
    """What `make dist` builds."""
    place = tmp_path_factory.mktemp("dist")
    run(source / "tools/dist", place, cwd=place, env=os.environ | {"PATH": _path(BIN)})
    return place


def _path(programs):
    return f"{programs}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def wheel(dist):
    return dist / f"oncall_runbook-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="session")
def archive(dist):
    return dist / f"oncall-runbook-{VERSION}.tar.gz"


def packed(path):
    """Name the files in a wheel or archive."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return {name for name in wheel.namelist() if not name.endswith("/")}
    with tarfile.open(path) as archive:
        return {member.name for member in archive if member.isfile()}


def below(shipped, *parts):
    return {str(name) for name in shipped if name.parts[0] in parts}


@pytest.fixture
def collection(shipped):
    """The files that the collection works with, by their names in the checkout."""
    code = below(shipped, "meta", "playbooks", "plugins", "roles")
    kinds = {".yml", ".txt", ".py", ".sh", ".js", ".awk", ".json", ".md"}
    assert {Path(name).suffix for name in code} == kinds
    examples = {n for n in below(shipped, "inventory") if n.startswith("inventory/example/")}
    return {*code, *examples, "inventory/local.yml"}


def test_the_wheel_carries_the_command_and_the_collection_and_nothing_else(
    wheel, shipped, collection
):
    assert wheel.name == f"oncall_runbook-{VERSION}-py3-none-any.whl"
    files = {name for name in packed(wheel) if ".dist-info/" not in name}
    command = {name.removeprefix("runner/") for name in below(shipped, "runner")}
    assert "oncall_runbook/schema/run.schema.json" in command
    carried = {*collection, "galaxy.yml", *below(shipped, "docs")}
    assert files == command | {INSIDE + name for name in carried} | {MANUAL}


def test_the_archive_carries_what_the_playbooks_need_and_nothing_else(archive, shipped, collection):
    assert archive.name == f"oncall-runbook-{VERSION}.tar.gz"
    made = {"MANIFEST.json", "FILES.json"}
    texts = {"README.md", "LICENSE", "CHANGELOG.rst", *below(shipped, "docs", "changelogs")}
    for_checks = {".shellcheckrc", "tests/config.yml"}
    assert packed(archive) == made | texts | collection | for_checks


def test_wheel_and_archive_are_of_one_version(wheel, archive):
    with tarfile.open(archive) as opened:
        told = json.load(opened.extractfile("MANIFEST.json"))["collection_info"]
    assert (told["namespace"], told["name"], told["version"]) == ("oncall", "runbook", VERSION)
    assert f"-{VERSION}-" in wheel.name


@pytest.fixture(scope="session")
def installed(dist, tmp_path_factory):
    """What the wheelhouse holds in an empty environment, far from the checkout and any network.

    Returns its programs.
    """
    place = tmp_path_factory.mktemp("installed")
    venv.create(place, with_pip=True)
    (wheelhouse,) = dist.glob("*-wheelhouse-*.tar")
    run("tar", "-xf", wheelhouse, cwd=place)
    run(*pip_of(place), "--no-index", "--find-links", "wheelhouse", "oncall-runbook", cwd=place)
    return place / "bin"


def pip_of(place):
    """The command that installs into an environment."""
    return [place / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def test_all_that_is_shipped_has_its_checksum(dist):
    named = [line.split()[1] for line in (dist / "SHA256SUMS").read_text().splitlines()]
    assert sorted(named) == sorted(
        path.name for path in dist.iterdir() if path.name != "SHA256SUMS"
    )
    assert len(named) == 5
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=dist)


def test_what_pip_installs_elsewhere_is_what_the_wheelhouse_holds(dist):
    (wheelhouse,) = dist.glob("*-wheelhouse-*.tar")
    held = {parse_wheel_filename(Path(name).name)[:2] for name in packed(wheelhouse)}
    lines = (dist / f"oncall-runbook-{VERSION}-requirements.txt").read_text().splitlines()
    releases = [line.split()[0].split("==") for line in lines if not line.startswith(" ")]
    named = {(name, Version(version)) for name, version in releases}
    assert held - named == {("oncall-runbook", Version(VERSION))}
    assert named < held
    hashes = [line for line in lines if line.startswith(" ")]
    assert all("--hash=sha256:" in line for line in hashes)
    assert len(hashes) >= len(named) > 30


def test_an_execution_environment_gets_what_the_collection_needs(archive, tmp_path):
    place = tmp_path / "ansible_collections/oncall/runbook"
    place.mkdir(parents=True)
    run("tar", "-xzf", archive, "-C", place, cwd=tmp_path)
    told = run(BIN / "ansible-builder", "introspect", tmp_path, cwd=tmp_path).stdout
    needs = yaml.safe_load(told)
    (asyncssh,) = (need for need in asked_for() if need.name == "asyncssh")
    assert [Requirement(need.partition("#")[0]) for need in needs["python"]] == [asyncssh]
    assert any(need.startswith("openssh-client ") for need in needs["system"])


def test_the_source_archive_installs_what_the_wheel_does(dist, wheel, tmp_path):
    """Into an empty environment, with what builds it from PyPI, as pip does."""
    venv.create(tmp_path / "empty", with_pip=True)
    pip = pip_of(tmp_path / "empty")
    run(*pip, "--no-deps", dist / f"oncall_runbook-{VERSION}.tar.gz", cwd=tmp_path)
    (place,) = (tmp_path / "empty").glob("lib/python3*/site-packages")
    files = {name for name in packed(wheel) if ".dist-info/" not in name} - {MANUAL}
    assert [name for name in files if not (place / name).is_file()] == []
    assert (tmp_path / "empty/share/man/man1/runbook.1").is_file()


@pytest.fixture
def use(installed, tmp_path):
    """Use an installed program as a stranger would: no variable of ours, an unrelated place."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ours = ("ANSIBLE_", "RUNBOOK_", "PYTHON", "XDG_", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "HOME": str(tmp_path / "home"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PATH": f"{installed}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }

    def use(program, *arguments, check=True, **more):
        return run(installed / program, *arguments, cwd=elsewhere, env=env | more, check=check)

    return use


@pytest.fixture
def inventory(tmp_path):
    """This machine as a host, whose stack is nowhere."""
    here = {"ansible_connection": "local", "stack_dir": str(tmp_path / "none")}
    path = tmp_path / "inventory.yml"
    path.write_text(yaml.safe_dump({"all": {"hosts": {"here": here}}}))
    return path


def test_the_command_knows_its_version_and_its_incidents(use):
    assert VERSION in use("runbook", "--version").stdout
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - {
        "triage",
        "triage_fleet",
        "response",
        "leave",
        "through",
        "watch",
    }
    incidents = {name for name in playbooks if not name.startswith("ops_")}
    told = json.loads(use("runbook", "list", "--format", "json").stdout)
    assert {entry["incident"] for entry in told} == incidents
    listing = use("runbook", "list").stdout
    assert [name for name in incidents if name not in listing] == []


def test_its_pages_are_read_without_a_network(use):
    assert "exit-codes " in use("runbook", "help").stdout
    assert "an incident is present" in use("runbook", "help", "exit-codes").stdout


def test_nothing_comes_from_the_checkout(use, installed):
    told = use("python", "-c", "import oncall_runbook; from oncall_runbook.cards import catalog; "
               "print(oncall_runbook.__file__, catalog.collection())").stdout.split()  # fmt: skip
    assert [path for path in told if not path.startswith(str(installed.parent))] == []


def test_a_host_without_the_stack_cannot_be_judged_and_says_why_in_one_line(use, inventory):
    done = use("runbook", "triage", "-i", inventory, check=False)
    assert done.returncode == 4, done.stdout + done.stderr
    why = f"no directory {inventory.parent}/none on this host: set stack_dir"
    first, *_ = done.stdout.splitlines()
    assert first.startswith("here: unknown — ")
    assert why in first
    assert "Traceback" not in done.stdout + done.stderr
    assert list(inventory.parent.glob("state/runbook/runs/*/run.json"))


def test_an_operation_finds_its_playbook(use, inventory):
    done = use("runbook", "ops", "status", "-i", inventory, check=False)
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"no directory {inventory.parent}/none on this host" in done.stdout


def test_ansible_finds_the_playbooks_by_name(use, inventory):
    done = use("ansible-playbook", "oncall.runbook.triage", "-i", inventory, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert (
        f"unknown: no directory {inventory.parent}/none on this host: set stack_dir" in done.stdout
    )
    assert "unreachable=0" in done.stdout
    assert "[WARNING]" not in done.stdout + done.stderr


def test_the_archive_works_by_itself(use, archive, inventory, tmp_path):
    """As AWX would use it: the collection where galaxy installs one, and no wheel."""
    paths = {
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
    }
    place = ("-p", tmp_path / "collections")
    use("ansible-galaxy", "collection", "install", "--offline", *place, archive, **paths)
    triage = ("ansible-playbook", "oncall.runbook.triage", "-i", inventory)
    done = use(*triage, check=False, **paths)
    assert "no directory" in done.stdout
    shutil.rmtree(tmp_path / "collections")
    gone = use(*triage, check=False, **paths)
    assert "no directory" not in gone.stdout  # so it was the archive's
