"""Runs that another machine plays: here a shell on this machine, in place of ssh."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from recorded import FakeEngine, run

from oncall_runbook.errors import BadInputError
from oncall_runbook.run import engine, mesh, through
from oncall_runbook.run.engine import Outcome, Request
from oncall_runbook.run.events import Event
from oncall_runbook.run.stream import Parcel, pack
from oncall_runbook.run.variables import ExtraVars

Runbook = Callable[..., subprocess.CompletedProcess[str]]
CANARY = "canary-4711-hunter2"
THERE = ("-i", "here,", "-e", "ansible_connection=local", "--format", "json", "--through", "there")
WELL = {"verdict": "healthy", "findings": {"disk": {"status": "healthy"}}}
SSH = """#!/bin/sh
echo "$@" >> "$0.asked"
for command; do :; done
echo "Welcome to this machine"
exec sh -c "$command"
"""


@pytest.fixture
def programs(collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that are found first: an ssh whose machine is this one, and the command."""
    place = tmp_path / "programs"
    place.mkdir()
    program(place / "ssh", SSH)
    program(place / "runbook", f'#!/bin/sh\nexec {sys.executable} -m oncall_runbook "$@"\n')
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return place


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def sending(*messages: Mapping[str, Any]) -> str:
    """A worker that says this, once it has all that it is sent."""
    lines = [json.dumps({"status": "starting"}), *map(json.dumps, messages)]
    said = "\n".join(lines)
    return f"#!/bin/sh\nsed '/\"eof\"/q' > /dev/null\ncat <<'END'\n{said}\nEND\n"


def test_the_same_is_said_as_without(runbook: Runbook, programs: Path) -> None:
    direct = runbook("triage", *THERE[:-2], diagnosis=WELL)
    done = runbook("triage", *THERE, diagnosis=WELL)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["hosts"] == json.loads(direct.stdout)["hosts"]
    assert json.loads(done.stdout)["order"]["through"] == "there"
    (asked,) = (programs / "ssh.asked").read_text().splitlines()
    assert " -- there exec sh -c " in asked


def test_no_secret_is_on_a_command_line_or_comes_back(
    runbook: Runbook, programs: Path, tmp_path: Path
) -> None:
    diagnosis = {**WELL, "findings": {"disk": {"status": "healthy", "output": CANARY}}}
    (tmp_path / "vars.json").write_text(json.dumps({"diagnosis": diagnosis, "my_secret": CANARY}))
    done = runbook("triage", *THERE, "-e", f"@{tmp_path}/vars.json", "-vvv")
    assert done.returncode == 0, done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert CANARY not in (programs / "ssh.asked").read_text()


def test_what_is_wrong_with_the_play_is_said_as_without(runbook: Runbook, programs: Path) -> None:
    direct = runbook("triage", *THERE[:-2], "-l", "nobody")
    done = runbook("triage", *THERE, "-l", "nobody")
    assert (done.returncode, done.stderr) == (direct.returncode, direct.stderr)
    assert json.loads(done.stdout)["error"] == json.loads(direct.stdout)["error"]


@pytest.mark.parametrize(
    ("worker", "why"),
    [
        ("#!/bin/sh\necho 'Error: No such command' >&2; exit 2\n", "the oncall-runbook there is"),
        ("#!/bin/sh\nkill -KILL $$\n", "killed by signal 9"),
        (sending({"status": "error", "job_explanation": "no room"}), "no room"),
        (sending({"event": "runner_on_start", "counter": 1, "uuid": 1}), "its worker ended with 0"),
        (sending().replace('starting"}', "starting"), "Failed to JSON parse"),
    ],
)
def test_a_worker_that_did_not_do_it_leaves_hosts_that_were_not_reached(
    runbook: Runbook, programs: Path, worker: str, why: str
) -> None:
    program(programs / "runbook", worker)
    done = runbook("triage", *THERE, diagnosis=WELL)
    assert done.returncode == 4, done.stderr
    (host,) = json.loads(done.stdout)["hosts"].values()
    assert (host["verdict"], host["unreachable"]) == ("unreachable", "machine")
    assert host["reason"].startswith(f"through there: {why}")


def test_a_worker_that_is_told_to_end_says_so(runbook: Runbook, programs: Path) -> None:
    answers = json.dumps({"diagnosis": {**WELL, "sleep": 61.37}})
    process = subprocess.Popen(
        [sys.executable, "-m", "oncall_runbook", "triage", *THERE, "-e", answers],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while subprocess.run(["pgrep", "-f", "sleep 61.37"], capture_output=True).returncode:
        time.sleep(0.05)
    words = ["pgrep", "-P", str(process.pid), "-f", "oncall_runbook worker"]
    worker = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    os.kill(int(worker), signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 4, stderr
    (host,) = json.loads(stdout)["hosts"].values()
    assert host["reason"] == "through there: its worker was told to end"


def test_no_machine_writes_where_it_likes(runbook: Runbook, programs: Path, tmp_path: Path) -> None:
    for name in ("../escaped.txt", "/tmp/escaped.txt", "a/../../escaped.txt", "escaped.txt"):
        file = {"event": "runbook_file", "counter": 1, "uuid": 1, "name": name, "text": "x"}
        program(programs / "runbook", sending(file))
        done = runbook("triage", *THERE, diagnosis=WELL)
        assert done.returncode == 1
        assert done.stderr == f"runbook: there sent a file that was not asked for: {name!r}\n"
    assert list(tmp_path.rglob("escaped.txt")) == []


@pytest.mark.parametrize(
    "message",
    [
        {"event": "runner_on_ok", "event_data": [1]},
        {"event": "runbook_told", "told": {"host": "here"}},
        {"event": "runbook_told", "told": 1},
        {"event": "runbook_file"},
    ],
)
def test_what_no_worker_sends_is_one_line(
    runbook: Runbook, programs: Path, message: Mapping[str, Any]
) -> None:
    program(programs / "runbook", sending({"counter": 1, "uuid": 1, **message}))
    done = runbook("triage", *THERE, diagnosis=WELL)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("runbook: there sent what no worker does: ")


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "two words", "", "a\nb", "a;b", "$(id)"])
def test_what_ssh_could_take_for_more_is_no_machine(fake: FakeEngine, name: str) -> None:
    result = run("triage", "-i", "web,", "--through", name)
    assert result.exit_code == 2
    assert "is no name of a machine for ssh" in result.stderr
    assert fake.requests == []


@pytest.mark.parametrize(
    "name", ["receptor:", "receptor:a b", "receptor:a\nwork list", "receptor:*"]
)
def test_what_receptor_could_take_for_more_is_no_node(fake: FakeEngine, name: str) -> None:
    result = run("triage", "-i", "web,", "--through", name)
    assert result.exit_code == 2
    assert f"--through {name!r} is no name of a node of receptor" in result.stderr
    assert fake.requests == []


def test_the_name_of_a_tls_client_is_data(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECEPTOR_TLS", "a\nwork list")
    result = run("triage", "-i", "web,", "--through", "receptor:west")
    assert result.exit_code == 2
    assert "RUNBOOK_RECEPTOR_TLS 'a\\nwork list' is no name of a tls-client" in result.stderr


def test_a_mesh_needs_what_speaks_to_receptor(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mesh, "find_spec", lambda _: None)
    result = run("triage", "-i", "web,", "--through", "receptor:west")
    assert result.exit_code == 2
    assert "pip install 'oncall-runbook[mesh]'" in result.stderr
    assert fake.requests == []


class Receptor:
    """What answers on a receptor's control socket: this, and then it shuts the connection."""

    def __init__(self, path: Path, *answers: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self.asked: list[str] = []
        threading.Thread(target=self._serve, args=(answers,), daemon=True).start()

    def _serve(self, answers: tuple[str, ...]) -> None:
        for answer in answers:
            connection = self._socket.accept()[0]
            with connection, connection.makefile("rwb") as file:
                file.write(b"Receptor Control, node here\n")
                file.flush()
                self.asked.append(file.readline().decode())
                file.write(answer.encode())
        self._socket.close()


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (["ERROR: no route to node\n"], "the mesh has no such node, or no way to it"),
        (["ERROR: context canceled\n"], "that node has no service runbook"),
        (["ERROR: CRYPTO_ERROR: x\n"], "receptor: CRYPTO_ERROR: x"),
        ([""], "receptor: it ended the connection"),
        (["Connecting\n"], "the receptor of this machine is gone"),
        (["Connecting\n", '{"RoutingTable": {}}\n'], "its node is gone from the mesh, or one on"),
        (["Connecting\n", '{"RoutingTable": null}\n'], "its node is gone from the mesh, or one on"),
        (
            ["Connecting\n", '{"RoutingTable": {"west": "a"}}\n'],
            "its worker ended before it was done: the journal there says why",
        ),
    ],
)
def test_what_receptor_says_is_told_of_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[str], why: str
) -> None:
    receptor = Receptor(tmp_path / "socket", *answers)
    monkeypatch.setenv("RECEPTORCTL_SOCKET", str(tmp_path / "socket"))
    request = Request("run", "x", ("h1,",), {}, through={"receptor:west": ("h1",)})
    told: list[Event] = []
    outcome = through.run(request, told.append, lambda _: None)
    assert (outcome.status, outcome.rc) == ("finished", 4)
    assert [(one.kind, one.host) for one in told] == [("unreachable", "h1")]
    assert told[0].result["msg"].startswith(f"through receptor:west: {why}")
    assert receptor.asked[0] == "connect west runbook \n"


def test_a_receptor_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mesh, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setenv("RECEPTORCTL_SOCKET", str(tmp_path / "socket"))
    request = Request("run", "x", ("h1,",), {}, through={"receptor:west": ("h1",)})
    told: list[Event] = []
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "socket"))
        mute.listen()
        through.run(request, told.append, lambda _: None)
    place = tmp_path / "socket"
    why = f"through receptor:west: no receptor answers at {place}: timed out"
    assert [one.result["msg"] for one in told] == [why]


def test_standard_input_that_is_no_run_is_one_line(programs: Path) -> None:
    for given in ("", "two words\n", "x" * 65 + "\n"):
        words = [sys.executable, "-m", "oncall_runbook", "worker"]
        done = subprocess.run(words, input=given, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.strip().splitlines()[-1:]
        assert "standard input is no run that another machine hands over" in line


def test_names_of_machines_are_those_of_ssh() -> None:
    for name in ("bastion", "me@bastion.example", "ssh://me@bastion:2222", "[2001:db8::1]"):
        assert through.machine(name) == name


def test_this_machine_has_no_inventory_for_another(fake: FakeEngine) -> None:
    result = run("triage", "--through", "bastion")
    assert result.exit_code == 2
    assert "--through needs an inventory" in result.stderr


def test_a_backup_is_fetched_to_the_machine_that_asks(fake: FakeEngine) -> None:
    result = run("ops", "backup", "-i", "web,", "--fetch", "here", "--through", "bastion")
    assert result.exit_code == 2
    assert "--fetch" in result.stderr


def a_request(place: Path, **more: Any) -> Request:
    return Request("run", "oncall.runbook.triage_fleet", (str(place / "hosts.yml"), "web,"), **more)


def test_what_lies_beside_an_inventory_travels_with_it(tmp_path: Path) -> None:
    for name in ("hosts.yml", "group_vars/all.yml", "host_vars/web/x.yml", "incidents/a.yml"):
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text(name)
    (tmp_path / "site/other.key").write_text("no")
    cards = [str(tmp_path / "site/incidents")]
    request = a_request(tmp_path / "site", run_vars={"incident_cards": cards})
    parcel = pack(request, tmp_path / "packed")
    packed = {path.name for path in (tmp_path / "packed").rglob("*") if path.is_file()}
    assert packed == {"hosts.yml", "all.yml", "x.yml", "a.yml"}
    there = Parcel.read(json.loads(json.dumps(vars(parcel)))).request(tmp_path / "there", None)
    base = tmp_path / "there/inventory/0"
    assert there.inventory == (str(base / "hosts.yml"), "web,")
    assert there.run_vars == {"incident_cards": [str(base / "incidents")]}


def test_a_plan_travels_as_it_is(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text("{}")
    (tmp_path / "hosts.yml").touch()
    place = tmp_path / "there"
    request = a_request(tmp_path, run_vars={"incident_plan": str(plan)})
    there = pack(request, place).request(place, None)
    assert Path(there.run_vars["incident_plan"]).is_relative_to(place)
    assert Path(there.run_vars["incident_plan"]).read_text() == "{}"


def test_a_vault_password_by_a_descriptor_travels(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").touch()
    request = a_request(tmp_path, run_vars={}, vault_password=f"{CANARY}\n")
    assert pack(request, tmp_path / "there").vault_password == CANARY


def test_files_of_variables_travel_as_their_text(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").touch()
    (tmp_path / "more.yml").write_text("a: 1\r\n")
    extra = ExtraVars(tmp_path / "more.yml", "", frozenset())
    parcel = pack(a_request(tmp_path, run_vars={}, extra_vars=(extra,)), tmp_path / "packed")
    assert parcel.extra_vars == ["a: 1\r\n"]


def test_a_program_gives_the_vault_password_here(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").touch()
    program(tmp_path / "password", f"#!/bin/sh\necho {CANARY}\n")
    request = a_request(tmp_path, run_vars={}, vault_password_file=tmp_path / "password")
    parcel = pack(request, tmp_path / "packed")
    assert parcel.vault_password == CANARY
    assert CANARY not in repr(parcel)
    assert CANARY not in "".join(p.read_text() for p in (tmp_path / "packed").rglob("*.*"))


def test_several_vault_passwords_do_not_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hosts.yml").touch()
    monkeypatch.setenv("ANSIBLE_VAULT_IDENTITY_LIST", "a@x, b@y")
    with pytest.raises(BadInputError, match="one vault password"):
        pack(a_request(tmp_path, run_vars={}), tmp_path / "packed")


def test_each_machine_asks_those_of_a_batch_that_are_its_own() -> None:
    machines = {"a": ("a1", "a2"), "b": ("b1",), "": ("c1",)}
    all_hosts = Request("run", "x", ("i,",), {}, through=machines)
    assert dict(through._shares(all_hosts)) == machines
    batch = Request("run", "x", ("i,",), {}, hosts=("a2", "c1"), through=machines)
    assert dict(through._shares(batch)) == {"a": ("a2",), "": ("c1",)}
    one = Request("run", "x", ("i,",), {}, hosts=("h",), through={"a": ()})
    assert dict(through._shares(one)) == {"a": ("h",)}


@pytest.mark.parametrize("machines", [{"a": ("h1",)}, {"a": ("h1",), "b": ("h2", "h3")}])
def test_a_machine_is_told_its_hosts_and_whether_it_is_alone(
    programs: Path, tmp_path: Path, machines: dict[str, tuple[str, ...]]
) -> None:
    keep = f"tee {tmp_path}/given.$$ > /dev/null"
    told = sending({"status": "successful", "rc": 0}, {"eof": True})
    program(programs / "runbook", told.replace("> /dev/null", f"| {keep}"))
    request = Request("run", "x", ("h1,h2,h3",), {}, through=machines)
    outcome = through.run(request, lambda _: None, lambda _: None)
    assert (outcome.status, outcome.rc) == ("finished", 0)
    given = []
    for path in tmp_path.glob("given.*"):
        run_id, kwargs, *_ = path.read_text().splitlines()
        assert run_id == "run"
        given.append(json.loads(kwargs)["kwargs"])
    assert sorted(tuple(one["hosts"]) for one in given) == sorted(machines.values())
    shared = {"run_shared": True} if len(machines) > 1 else {}
    assert [one["run_vars"] for one in given] == [shared] * len(machines)


def routes_told(told: object, outcome: Outcome) -> Callable[..., Outcome]:
    def play(request: Request, on_event: Callable[[Event], None], _output: object) -> Outcome:
        assert request.playbook == "oncall.runbook.through"
        on_event(Event("ok", 0.0, "h1", "Tell", result={"msg": told}))
        return outcome

    return play


@pytest.mark.parametrize(
    ("told", "machines"),
    [
        ({"h1": "a", "h2": "", "h3": "a"}, {"a": ("h1", "h3"), "": ("h2",)}),
        ({"h1": "", "h2": ""}, {}),
    ],
)
def test_the_inventory_says_which_machine_asks_which_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: object, machines: object
) -> None:
    from oncall_runbook.run.routes import routes

    (tmp_path / "hosts.yml").touch()
    monkeypatch.setattr(engine, "run", routes_told(told, Outcome()))
    assert routes(a_request(tmp_path, run_vars={})) == {}, "no file of it has the input"
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text("run_through: '{{ site }}'")
    assert routes(a_request(tmp_path, run_vars={})) == machines


def test_a_machine_of_the_inventory_is_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oncall_runbook.run.routes import routes

    (tmp_path / "hosts.yml").write_text("run_through")
    monkeypatch.setattr(engine, "run", routes_told({"h1": "-oProxyCommand=x"}, Outcome()))
    with pytest.raises(BadInputError, match="no name of a machine"):
        routes(a_request(tmp_path, run_vars={}))
