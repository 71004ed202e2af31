# GNU General Public License v3.0 or later (see LICENSE)
"""Asks a host many things in one round trip: builds the shell script and reads its answer."""

from __future__ import annotations

import base64
import binascii
import functools
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

_CHANNEL = Path(__file__).with_name("channel.sh")
_KILLED = 137  # what a shell reports for SIGKILL


@dataclass(frozen=True)
class Question:
    """One shell command with its deadline in seconds and the bytes kept of each of its streams.

    An ``early`` one does not wait for what is learnt before the others. ``words`` is shell text of
    its own, on top of what all commands have.
    """

    id: str
    command: str
    timeout: float = 5
    limit: int = 32768
    early: bool = False
    words: str = ""


@dataclass(frozen=True)
class Answer:
    """What came back; ``rc`` is None when nothing did, ``cut`` when output went over its limit."""

    rc: int | None = None
    ms: int = 0
    output: str = ""
    stderr: str = ""
    cut: bool = False
    timed_out: bool = False


@dataclass(frozen=True)
class Shell:
    """What commands run in: variables, and shell text whose functions they may call.

    ``environment`` is exported. ``texts`` are not: every program that is started would get a copy
    of them, which costs more than most programs do. ``library`` is read once for all of them,
    ``before`` is what each begins with. ``learn`` is asked once, before all but the early; its id
    is the name of a variable for them.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    library: str = ""
    before: str = ""
    learn: Question | None = None

    @property
    def variables(self) -> list[str]:
        """Return a line of shell text for each variable."""
        exported = [f"export {name}={shlex.quote(text)}" for name, text in self.environment.items()]
        return exported + [f"{name}={shlex.quote(text)}" for name, text in self.texts.items()]


def script(
    questions: Sequence[Question],
    token: str,
    shell: Shell,
    *,
    whole: bool = False,
    abandoned: str = "",
) -> str:
    """Return the POSIX script that asks ``questions`` side by side.

    Every value of ``shell`` is quoted: none of them is run as code. What it runs bears the mark
    that the environment holds as RUNBOOK_CHANNEL; the token is seen by no other process. What is
    ``whole`` goes on to its end, or its deadline, when the connection is lost; other questions are
    ended. Then ``abandoned``, shell text, is run.
    """
    quote, newline, first = shlex.quote, "\n", shell.learn
    learn = [f"learn {first.id} {ceil(first.timeout)} {quote(first.command)}"] if first else []
    words = {text: f"words_{n}" for n, text in enumerate(dict.fromkeys(q.words for q in questions))}
    early, asks = (
        [
            f"ask {quote(q.id)} {ceil(q.timeout)} {q.limit:d}"
            f' "${words[q.words]}" {quote(q.command)}'
            for q in sorted(questions, key=lambda q: -q.timeout)  # what may take longest first
            if q.early == when
        ]
        for when in (True, False)
    )
    return "\n".join(
        [
            _channel(),
            "export LC_ALL=C",
            *shell.variables,
            f"token={quote(token)}",
            f"whole={'yes' if whole else ''} abandoned={quote(abandoned)}",
            *(f"{name}={quote(shell.before + newline + text)}" for text, name in words.items()),
            "questions() {",
            f"eval {quote(shell.library)}",
            *early,
            *learn,
            *asks,
            "}",
            'main | cat || eval "$abandoned"',  # cat cannot write where nobody listens
            "",
        ]
    )


@functools.cache
def _channel() -> str:
    return _CHANNEL.read_text(encoding="utf-8")


def new_token() -> str:
    """Return a mark that no program on the host can guess."""
    return "runbook" + secrets.token_hex(8)


@dataclass
class _Pieces:
    chunks: dict[str, list[str]] = field(default_factory=lambda: {"out": [], "err": []})
    end: tuple[int, int] | None = None


def answers(stdout: str, questions: Sequence[Question], token: str) -> dict[str, Answer]:
    """Read what the script printed; a question without a complete answer gets an empty one."""
    pieces = {q.id: _Pieces() for q in questions}
    for line in stdout.splitlines():
        mark, _blank, rest = line.partition(" ")
        name, _blank, rest = rest.partition(" ")
        if mark == token and name in pieces:
            _keep(pieces[name], *rest.partition(" ")[::2])
    return {q.id: _answer(q, pieces[q.id]) for q in questions}


def _keep(piece: _Pieces, stream: str, data: str) -> None:
    if stream == "end":
        status, ms = data.split()
        piece.end = int(status), int(ms)
    elif stream in piece.chunks:
        piece.chunks[stream].append(data)


def _answer(question: Question, piece: _Pieces) -> Answer:
    if piece.end is None:
        return Answer()
    rc, ms = piece.end
    output, output_cut = _text(piece.chunks["out"], question.limit)
    stderr, stderr_cut = _text(piece.chunks["err"], question.limit)
    timed_out = rc == _KILLED and ms >= question.timeout * 1000 - 20
    return Answer(rc, ms, output, stderr, output_cut or stderr_cut, timed_out)


def _text(chunks: list[str], limit: int) -> tuple[str, bool]:
    """Decode base64 chunks; returns the text and whether it went over ``limit`` bytes."""
    try:
        data = b"".join(base64.b64decode(chunk) for chunk in chunks)
    except binascii.Error:  # the connection broke inside a chunk
        data = b""
    return data[:limit].decode("utf-8", errors="replace"), len(data) > limit
