# GNU General Public License v3.0 or later (see LICENSE)
"""Commands on many hosts over ssh in one process, by asyncssh where it does as OpenSSH would."""

from __future__ import annotations

import asyncio
import errno
import functools
import re
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure

# Options that asyncssh means the same by, and those that change nothing for one session of its own.
_SAME = {
    "addressfamily",
    "bindaddress",
    "certificatefile",
    "ciphers",
    "connecttimeout",
    "globalknownhostsfile",
    "hostkeyalgorithms",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "kexalgorithms",
    "macs",
    "port",
    "proxyjump",
    "serveralivecountmax",
    "serveraliveinterval",
    "user",
    "userknownhostsfile",
}
_NOTHING = {
    "batchmode",
    "checkhostip",
    "compression",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "hashknownhosts",
    "forwardagent",
    "forwardx11",
    "forwardx11trusted",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "loglevel",
    "sendenv",
    "tcpkeepalive",
    "updatehostkeys",
    "visualhostkey",
}
_CONFIGS = ("~/.ssh/config", "/etc/ssh/ssh_config")
_KNOWN_HOSTS = {
    "userknownhostsfile": "~/.ssh/known_hosts ~/.ssh/known_hosts2",
    "globalknownhostsfile": "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2",
}
_CHUNK = 65536
# Errors of a connection by what OpenSSH says of them.
_WORDS = {
    errno.ECONNREFUSED: "Connection refused",
    errno.EHOSTUNREACH: "No route to host",
    errno.ENETUNREACH: "Network is unreachable",
    errno.ETIMEDOUT: "Connection timed out",
}


class NotTheSameError(Exception):
    """What a host needs that only OpenSSH does; says what."""


@dataclass(frozen=True)
class Target:
    """How a host is reached: what OpenSSH would be told, as lines of its configuration."""

    host: str
    lines: tuple[str, ...]

    def says(self, option: str) -> str:
        """Return the value of an ``option``: of one given twice ssh takes the first."""
        said = (line.partition(" ")[::2] for line in self.lines)
        return next((value.strip('"') for name, value in said if name.lower() == option), "")


def target(options: Mapping[str, Any]) -> Target:
    """Return how to reach a host with these ``options`` of Ansible's connection ``ssh``.

    Raises NotTheSameError for what asyncssh lacks, or would do in another way.
    """
    for name in ("password", "pkcs11_provider", "private_key"):
        if options.get(name):
            raise NotTheSameError(f"{name} is set")
    if not options.get("host_key_checking"):
        raise NotTheSameError("host keys are not checked")
    if options.get("ssh_executable") not in (None, "ssh"):
        raise NotTheSameError(f"{options['ssh_executable']} is used for ssh")
    given = {
        "Port": options.get("port"),
        "User": options.get("remote_user"),
        "IdentityFile": options.get("private_key_file"),
        "ConnectTimeout": options.get("timeout"),
    }
    lines = [line for name, value in given.items() if value for line in _line(name, str(value))]
    for name in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
        lines += _lines(shlex.split(str(options.get(name) or "")))
    return Target(str(options["host"]), tuple(lines))


def _lines(arguments: list[str]) -> Iterator[str]:
    """Yield what arguments of ssh say, as lines of its configuration."""
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word.startswith("-o"):
            text = word[2:] or (rest.pop(0) if rest else "")
            name, _blank, value = text.replace("=", " ", 1).strip().partition(" ")
            yield from _line(name, value.strip().strip('"'))
        elif word in ("-i", "-J", "-p") and rest:
            name = {"-i": "IdentityFile", "-J": "ProxyJump", "-p": "Port"}[word]
            yield from _line(name, rest.pop(0))
        elif word != "-C":
            raise NotTheSameError(f"ssh is given {word}")


def _line(name: str, value: str) -> list[str]:
    known = name.lower()
    if '"' in value or not value.isprintable() or not value:
        raise NotTheSameError(f"ssh is given an odd {name}")
    if not _is_same(known, value):
        raise NotTheSameError(f"ssh is given -o {name}")
    return [f'{name} "{value}"'] if known in _SAME else []


def _is_same(option: str, value: str) -> bool:
    if option == "stricthostkeychecking":
        return value.lower() in ("yes", "ask")
    if option in _KNOWN_HOSTS:
        return value.lower() != "none" and "%" not in value
    return option in _SAME or option in _NOTHING


def configuration(host: str) -> tuple[str, ...]:
    """Return the user's and the machine's configuration of ssh: files that asyncssh reads as well.

    Raises NotTheSameError where one has something for ``host`` that asyncssh would not do, or that
    names the files of known hosts, which are read here.
    """
    files, odd = read_configuration()
    for patterns, said in odd:
        if _is_meant(host, patterns):
            raise NotTheSameError(said)
    return files


@functools.cache
def read_configuration() -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return those files, and what is odd in them: for which hosts, as ``Host`` says, and what."""
    files = tuple(str(p) for p in (Path(name).expanduser() for name in _CONFIGS) if p.is_file())
    return files, tuple(odd for path in files for odd in _odd(Path(path), "*", 0))


def _is_meant(host: str, patterns: str) -> bool:
    """Tell whether a host is meant by patterns of OpenSSH: one fits, and none with ``!`` does."""
    fits = [
        not pattern.startswith("!")
        for pattern in patterns.lower().split()
        if _fits(pattern.removeprefix("!"), host.lower())
    ]
    return bool(fits) and all(fits)


def _fits(pattern: str, text: str) -> bool:
    """Tell whether a text is as a pattern says, in which only ``*`` and ``?`` mean others."""
    known = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return bool(re.fullmatch(known, text))


def _odd(path: Path, patterns: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > 16:  # as OpenSSH
        yield "*", f"{path} includes itself"
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    for line in re.sub(r"^\s*#.*", "", text, flags=re.M).splitlines():
        option, _blank, value = line.strip().replace("=", " ", 1).partition(" ")
        known, value = option.lower(), value.strip()
        if known == "host":
            patterns = value.replace('"', "")
        elif known == "match":
            patterns = "*"
            yield patterns, f"{path} has {option}"
        elif known == "include":
            base = Path("~/.ssh").expanduser() if path.parent.name == ".ssh" else Path("/etc/ssh")
            for pattern in shlex.split(value):
                place = Path(pattern).expanduser()
                for other in sorted((base / place).parent.glob(place.name)):
                    yield from _odd(other, patterns, depth + 1)
        elif known and (known in _KNOWN_HOSTS or not _is_same(known, value)):
            yield patterns, f"{path} has {option}"


class Wires:
    """An event loop in a thread of its own, in which all hosts are spoken to."""

    def __init__(self, folder: Path) -> None:
        """Keep what ssh is told in a ``folder`` of our own; raises ImportError without asyncssh."""
        self._ssh: Any = import_module("asyncssh")
        self._ssh.set_log_level("CRITICAL")
        self._folder = folder
        self._files: dict[tuple[str, ...], str] = {}
        self._known: dict[str, Any] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def close(self) -> None:
        """End the loop; what still runs in it is dropped."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def run(
        self, where: Target, command: str, text: bytes, seconds: float, room: int
    ) -> dict[str, Any]:
        """Run a command on a host with ``text`` as its input; return rc, stdout and stderr.

        It gets ``seconds``, and its answer ``room`` bytes. Raises AnsibleConnectionFailure where
        the host cannot be reached, and NotTheSameError where OpenSSH may do better, or knows why.
        """
        work = asyncio.wait_for(self._run(where, command, text, room), seconds)
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except TimeoutError:
            said = f"the host did not come to an end within {seconds:.0f} s"
            raise AnsibleConnectionFailure(said) from None
        except (OSError, self._ssh.Error, ValueError) as error:
            raise NotTheSameError(f"asyncssh: {error or type(error).__name__}") from None

    async def _run(self, where: Target, command: str, text: bytes, room: int) -> dict[str, Any]:
        async with await self._connection(where) as connection:
            process = await connection.create_process(command, encoding=None)
            left = [room]
            _sent, out, err = await asyncio.gather(
                _send(process.stdin, text),
                _all_of(process.stdout, left),
                _all_of(process.stderr, left),
            )
            await process.wait_closed()
            if process.returncode is None:
                raise NotTheSameError("the connection to the host broke off")
            streams = (part.decode("utf-8", "replace") for part in (out, err))
            return {
                "rc": process.returncode,
                **dict(zip(("stdout", "stderr"), streams, strict=True)),
            }

    async def _connection(self, where: Target) -> Any:
        trusted = self._trusted(where)
        config = [self._written(where.lines), *configuration(where.host)]
        opened: list[bool] = []
        client = functools.partial(_client(self._ssh), opened)
        try:
            return await self._ssh.connect(
                where.host, client_factory=client, config=config, known_hosts=trusted
            )
        except OSError as error:
            late = isinstance(error, TimeoutError)
            if late and opened:
                said = "Connection timed out during banner exchange"
                raise AnsibleConnectionFailure(said) from None
            if not (word := _WORDS.get(errno.ETIMEDOUT if late else error.errno or 0)):
                raise
            options = self._ssh.SSHClientConnectionOptions
            real = await options.construct(host=where.host, config=config)
            said = f"ssh: connect to host {real.host} port {real.port}: {word}"
            raise AnsibleConnectionFailure(said) from None

    def _trusted(self, where: Target) -> Callable[[str, str, int | None], tuple[Any, ...]]:
        """Return what says which keys a host may have, as OpenSSH does: by its name alone."""
        files = " ".join(where.says(name) or usual for name, usual in _KNOWN_HOSTS.items())
        known = self._known_hosts(files)

        def trusted(host: str, _address: str, port: int | None) -> tuple[Any, ...]:
            return known.match(host, "", port)[0], (), ()

        return trusted

    def _known_hosts(self, files: str) -> Any:
        if files not in self._known:
            self._known[files] = self._read(files)
        return self._known[files]

    def _read(self, files: str) -> Any:
        paths = [path for name in files.split() if (path := Path(name).expanduser()).is_file()]
        text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
        if re.search(r"^\s*@", text, re.M):
            raise NotTheSameError("there are marks among the known hosts")
        return self._ssh.import_known_hosts(text)

    def _written(self, lines: tuple[str, ...]) -> str:
        """Return a file with these lines, which is never written again while others read it."""
        if lines not in self._files:
            path = self._folder / str(len(self._files))
            path.write_text("\n".join(lines), encoding="utf-8")
            self._files[lines] = str(path)
        return self._files[lines]


@functools.cache
def _client(ssh: Any) -> type:
    """Return the class of what asyncssh tells of a connection: that it has been opened."""

    class Client(ssh.SSHClient):  # type: ignore[misc]
        def __init__(self, opened: list[bool]) -> None:
            self._opened = opened

        def connection_made(self, conn: Any) -> None:
            self._opened.append(True)

    return Client


async def _send(stream: Any, text: bytes) -> None:
    """Write ``text`` and the end; what ended without reading all of it says so by its status."""
    try:
        stream.write(text)
        await stream.drain()
        stream.write_eof()
    except BrokenPipeError:
        pass


async def _all_of(stream: Any, left: list[int]) -> bytes:
    """Return what a stream says to its end; both streams of a host share the room that is left."""
    chunks, room = [], left[0]
    while chunk := await stream.read(_CHUNK):
        left[0] -= len(chunk)
        if left[0] < 0:
            said = f"the host answered without end: over {room / 2**20:.0f} MiB"
            raise AnsibleConnectionFailure(said)
        chunks.append(chunk)
    return b"".join(chunks)
