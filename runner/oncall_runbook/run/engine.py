"""The one module that knows ansible-runner: a request in, our own events and an outcome out."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from oncall_runbook.errors import RunbookError
from oncall_runbook.run import inventory, processes, run_files
from oncall_runbook.run.events import LEASE, UNDER_WAY, Event, Told, Translator, told_event
from oncall_runbook.run.variables import ExtraVars, as_data

PRIVATE_PREFIX = "runbook-"
_PLAYBOOK = Path(__file__).with_name("ansible_playbook.py")
# ansible-runner empties a longer result without a word, from 700,000 characters if not told
# otherwise. All that one host's questions may answer is less (the limits of their cards).
_RESULT_CHARACTERS = 100_000_000
_POLL_SECONDS = 0.2
# A login takes our processor some 10 ms, a judgement twice that; a triage is mostly waiting.
_HOSTS_PER_CPU = 25
# A fork of ansible has some 40 MB of its own, a host that one process asks has none.
_MOST_FORKS = 50
_MOST_AT_ONCE = 200
# What stands open whatever is asked.
_OWN_FILES = 60
# As long as no host has told what its inventory says: the default of run_deadline_seconds.
_DEADLINE_SECONDS = 43200
# A host that freezes after it was connected to would otherwise hold the run for ever. A minute, as
# one that swaps may take long to answer; of an option given twice ssh takes the first.
_KEEPALIVE = "-o ServerAliveInterval=10 -o ServerAliveCountMax=6"

# What gives back the hosts of a run that is ended: whoever cancels a job kills it in ten seconds.
_LEAVE = "oncall.runbook.leave"
_LEAVE_SECONDS = 5

# The command says the verdict itself, from the same results.
_TOLD = "told"
Status = Literal["finished", "cancelled", "timeout"]


@dataclass(frozen=True)
class Request:
    """What to run: a playbook of the collection, where, and with which variables."""

    run: str
    playbook: str
    inventory: tuple[str, ...]
    run_vars: Mapping[str, Any]
    inventory_plugins: str = ""
    ssh_extra_args: str = ""
    extra_vars: tuple[ExtraVars, ...] = ()
    limit: str | None = None
    hosts: tuple[str, ...] = ()  # only these of them
    through: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The machines that ask in place of this one, each with its hosts; none: all of the run."""
    forks: int | None = None
    timeout: float | None = None
    tags: str | None = None
    vault_password_file: Path | None = None
    vault_password: str | None = field(default=None, repr=False)  # that came by a descriptor
    verbose: int = 0
    collections: Path | None = None

    @property
    def secrets(self) -> frozenset[str]:
        """All texts that may stand in no output."""
        own = {(self.vault_password or "").strip()} - {""}
        return frozenset(own).union(*(extra.secrets for extra in self.extra_vars))


@dataclass(frozen=True)
class Outcome:
    """How the run as a whole ended; what became of each host stands in its events."""

    status: Status = "finished"
    rc: int = 0
    error: str = ""
    no_hosts: bool = False
    warnings: tuple[str, ...] = ()
    deadline_seconds: float = _DEADLINE_SECONDS


@dataclass
class Stop:
    """Why a run must end before its time: a signal, or its deadline.

    The deadline is the one of the command line, else the earliest that a host's inventory sets.
    """

    run: str
    ordered: float | None
    from_inventory: float | None = None
    status: Status = "finished"
    began: float = field(default_factory=time.monotonic)
    held: set[str] = field(default_factory=set)  # the hosts that the run may have taken

    @property
    def seconds(self) -> float:
        """How long the run may take."""
        return self.ordered or self.from_inventory or _DEADLINE_SECONDS

    def hear(self, event: Event) -> None:
        """Learn from a host's answer how long its inventory lets the run take, and who is held."""
        seconds = event.result.get("deadline_seconds") if event.action == "probe" else None
        if isinstance(seconds, int):
            self.from_inventory = min(seconds, self.from_inventory or seconds)
        if event.plugin == LEASE and event.result.get("state") == "left":
            self.held.discard(event.host)
        elif event.plugin == LEASE or event.action == "act":
            self.held.add(event.host)

    def on_signal(self, _number: int, _frame: object) -> None:
        """Take a signal as the wish to cancel."""
        self.status = "cancelled"

    def due(self) -> bool:
        """Tell whether the run must end."""
        if self.status == "finished" and time.monotonic() > self.began + self.seconds:
            self.status = "timeout"
        return self.status != "finished"

    def wanted(self) -> bool:
        """Tell ansible-runner whether to cancel; end what it would leave behind first."""
        if not self.due():
            return False
        processes.end(self.run)
        return True

    def relay(self, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
        """Return what hands events on, but for those that only say that we end the run."""

        def relayed(event: Event) -> None:
            self.hear(event)
            # What we end ourselves fails, or looks unreachable: that says nothing of the host.
            if self.status == "finished" or event.kind in (*UNDER_WAY, "look", "ok"):
                on_event(event)

        return relayed


def run(
    request: Request, on_event: Callable[[Event], None], on_output: Callable[[str], None]
) -> Outcome:
    """Run the playbook; hand every event on as it comes, and ansible's lines to `on_output`."""
    stop = Stop(request.run, request.timeout)
    relay = stop.relay(on_event)
    translator = Translator(relay, on_output, request.secrets)
    with signals(stop), private_directory() as private:
        told = Told(told_in(private), lambda said: relay(told_event(said, request.secrets)))

        def look_up() -> bool:
            told.read()
            return stop.wanted()

        rc = play(request, private, translator.handle, look_up)
        told.read()
        if stop.status != "finished":
            processes.end(request.run)
            _leave(request, stop.held)
    error = "" if rc == 0 else translator.error()
    warnings = tuple(translator.warnings)
    return Outcome(stop.status, rc, error, translator.no_hosts, warnings, stop.seconds)


def _leave(request: Request, hosts: Collection[str]) -> None:
    """Give back the hosts that a run held when it was ended; not for long is that tried.

    A host where a step of it goes on gives itself back.
    """
    if not hosts:
        return
    given_up = time.monotonic() + _LEAVE_SECONDS
    left = replace(request, playbook=_LEAVE, run_vars={}, hosts=tuple(sorted(hosts)), tags=None)

    def is_over() -> bool:
        if time.monotonic() < given_up:
            return False
        processes.end(request.run)
        return True

    with private_directory() as private, contextlib.suppress(RunbookError):
        play(left, private, lambda _event: False, is_over)


def pause(request: Request, seconds: float) -> Status:
    """Wait, until that is over, or somebody cancels the run; return how it ended."""
    stop = Stop(request.run, request.timeout)
    with signals(stop):
        while not stop.wanted() and time.monotonic() < stop.began + seconds:
            time.sleep(_POLL_SECONDS)
    return stop.status


def play(
    request: Request,
    private: Path,
    handle: Callable[[Mapping[str, Any]], bool],
    cancel: Callable[[], bool],
) -> int:
    """Play the playbook by ansible-runner in a private directory; return ansible's exit status.

    `handle` gets every event of ansible-runner, and `cancel` is asked again and again whether the
    run must end.
    """
    ansible_runner: Any = import_module("ansible_runner")  # late, and it has no types
    config = ansible_runner.RunnerConfig(
        private_data_dir=str(private),
        project_dir=str(Path.cwd()),  # so that ansible.cfg and relative paths are the user's
        ident="run",
        playbook=request.playbook,
        inventory=list(request.inventory),
        limit=_limit(request, private),
        forks=_at_once(request, _MOST_FORKS),
        tags=request.tags,
        skip_tags=_TOLD,
        verbosity=request.verbose,
        cmdline=shlex.join(_arguments(request, private)) or None,
        fact_cache_type="memory",
        quiet=True,
    )
    config.prepare()
    _adapt(config, request, private)
    _hurry()
    runner = ansible_runner.Runner(config, event_handler=handle, cancel_callback=cancel)
    try:
        runner.run()
    except ansible_runner.AnsibleRunnerException as error:
        processes.end(request.run)
        raise RunbookError(f"ansible-runner: {error}") from error
    return int(runner.rc or 0)


def told_in(private: Path) -> Path:
    """Return the file in which one process tells of many hosts."""
    return private / "told"


def _at_once(request: Request, most: int = _MOST_AT_ONCE) -> int:
    """Return how many hosts are looked at, or changed, at a time.

    That is as the command line or the user's settings of ansible say; else by the processors and
    the files that may be open, ``most`` of them.
    """
    set_ = os.environ.get("ANSIBLE_FORKS") or inventory.setting(os.environ, "defaults", "forks")
    if given := request.forks or (int(set_) if set_.isdecimal() else 0):
        return given
    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(_HOSTS_PER_CPU * (os.cpu_count() or 1), (files - _OWN_FILES) // 4, most))


def _limit(request: Request, private: Path) -> str | None:
    """Return what limits a run to its hosts: in a file, where many are named."""
    if not request.hosts:
        return request.limit
    path = private / "hosts"
    path.write_text("\n".join(request.hosts), encoding="utf-8")
    return f"@{path}"


def _adapt(config: Any, request: Request, private: Path) -> None:
    """Undo what ansible-runner would overrule, and set what a run of ours needs."""
    # -P keeps what lies in the user's directory from being imported in place of ansible's modules.
    config.command[:1] = [sys.executable, "-P", str(_PLAYBOOK)]
    config.pexpect_timeout = _POLL_SECONDS
    config.suppress_output_file = True
    config.env.pop("ORIGINAL_STDOUT_CALLBACK", None)
    if "ANSIBLE_HOST_KEY_CHECKING" not in os.environ:
        config.env.pop("ANSIBLE_HOST_KEY_CHECKING", None)
    config.env |= _environment(request, private)


@functools.cache
def _hurry() -> None:
    """Take out the tenth of a second that pexpect sleeps whenever it closes a process.

    Its sleep gives the process time to end; ansible-runner closes only what has ended.
    """
    pexpect: Any = import_module("pexpect")

    class Spawn(pexpect.spawn):  # type: ignore[misc]
        def close(self, force: bool = True) -> None:
            self.ptyproc.delayafterclose = 0
            super().close(force)

    pexpect.spawn = Spawn


def _environment(request: Request, private: Path) -> dict[str, str]:
    settings = {
        processes.MARKER: request.run,
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
        "ANSIBLE_NOCOWS": "True",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_FORCE_COLOR": "False",
        "MAX_EVENT_RES": str(_RESULT_CHARACTERS),
        "ANSIBLE_SSH_EXTRA_ARGS": f"{request.ssh_extra_args} {_KEEPALIVE}".lstrip(),
    }
    # A home that is full or read-only keeps nobody from looking.
    if run_files.unwritable(Path(os.environ.get("ANSIBLE_HOME") or "~/.ansible").expanduser()):
        settings["ANSIBLE_LOCAL_TEMP"] = str(private / "tmp")
    sockets = os.environ.get("ANSIBLE_SSH_CONTROL_PATH_DIR") or "~/.ansible/cp"
    if run_files.unwritable(Path(sockets).expanduser()):
        settings["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(private / "cp")
    if request.inventory_plugins:
        settings["ANSIBLE_INVENTORY_ENABLED"] = request.inventory_plugins
    if request.collections:
        settings["ANSIBLE_COLLECTIONS_PATH"] = _linked(request.collections, private)
    return settings


def _linked(collection: Path, private: Path) -> str:
    """Make a checkout visible to ansible by its full name; return the collections path."""
    link = private / "ansible_collections/oncall/runbook"
    link.parent.mkdir(parents=True)
    link.symlink_to(collection)
    default = "~/.ansible/collections:/usr/share/ansible/collections"
    return f"{private}:{os.environ.get('ANSIBLE_COLLECTIONS_PATH', default)}"


def _arguments(request: Request, private: Path) -> list[str]:
    """Write all variables to private files, and return the arguments that name them."""
    arguments = []
    (private / "env").mkdir(mode=0o700)
    if request.vault_password is not None:
        (private / "env/vault").write_text(request.vault_password, encoding="utf-8")
        arguments += ["--vault-password-file", str(private / "env/vault")]
    elif request.vault_password_file:
        arguments += ["--vault-password-file", str(request.vault_password_file.absolute())]
    for number, extra in enumerate(request.extra_vars):
        path = extra.path or private / "env" / f"user-{number}.yml"
        if extra.path is None:
            path.write_text(extra.text, encoding="utf-8")
        arguments += ["-e", f"@{path}"]
    # The last one outweighs the others.
    told = {"fleet_to": str(told_in(private)), "fleet_at_once": _at_once(request)}
    text = as_data({**request.run_vars, **told})
    (private / "env/extravars").write_text(text, encoding="utf-8")
    return arguments


@contextlib.contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Take Ctrl-C and its kin as a wish to cancel while the run lasts."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop.on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def private_directory() -> Iterator[Path]:
    """Make a directory in memory, for us alone, that is gone when the run is."""
    base = next((path for path in _bases() if os.access(path, os.W_OK | os.X_OK)), None)
    _sweep(base or Path(tempfile.gettempdir()))
    prefix = f"{PRIVATE_PREFIX}{os.getpid()}-"
    try:
        private = tempfile.TemporaryDirectory(prefix=prefix, dir=base, ignore_cleanup_errors=True)
    except OSError as error:
        raise RunbookError(f"no room for a private directory: {error.strerror}") from error
    with private as name:
        yield Path(name)


def _bases() -> Iterator[Path]:
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime)
    yield Path("/dev/shm")


def sweep() -> None:
    """Remove what runs left that were killed, wherever a private directory may be."""
    for base in (*_bases(), Path(tempfile.gettempdir())):
        _sweep(base)


def _sweep(base: Path) -> None:
    """Remove the private directories of runs that were killed before they could."""
    for path in base.glob(f"{PRIVATE_PREFIX}[0-9]*-*"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(path.name.split("-")[1])
            if path.stat().st_uid == os.getuid() and not processes.alive(pid, None):
                shutil.rmtree(path, ignore_errors=True)
