"""Facts on stdout: one JSON document, or text by a module that is imported only for that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import IO, Any

import click

from oncall_runbook.packed import Packed, pieces, plain

_INDENTED_HOSTS = 10
# What CI carries out where it stands in a job's log: at the beginning of a line (GitHub), or
# anywhere (GitHub, Azure).
_COMMAND = re.compile(r"^([^\S\n]*:)(?=:[^\s:]+(?: [^\n]*?)?::)|(##)(?=\[|vso\[)", re.M)
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")  # would turn what follows around


def tell(facts: object, form: str, module: str, function: str) -> int:
    """Print facts as JSON, or with a `function` of a `module` of this wing; return exit code 0."""
    if form == "json":
        tell_json(facts)
    else:
        getattr(import_module(f"oncall_runbook.text.{module}"), function)(facts)
    return 0


def say(text: str, *, err: bool = False, nl: bool = True, commands: bool = False) -> None:
    """Print text, which a host may have had a part in, without control codes.

    What is ``commands`` is there to be carried out by CI; nothing else is.
    """
    text = harmless(text)
    click.echo(text if commands else inert(text), err=err, nl=nl)


def say_aside(text: str) -> None:
    """Say something of ours beside the facts: a line on stderr."""
    say(f"runbook: {text}", err=True)


def harmless(text: str) -> str:
    """Return text of a host without control codes; spaces and lines stay as they are."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text)


def inert(text: str) -> str:
    """Return text in which CI takes nothing for its command: with a blank where one would begin."""
    return _COMMAND.sub(r"\1\2 ", text)


class Log:
    """A stream to which whole lines are written, none of which is a command of CI."""

    def __init__(self, stream: IO[str]) -> None:
        """Write to a stream."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write lines."""
        return self._stream.write(inert(text))

    def __getattr__(self, name: str) -> Any:
        """Return what else the stream has."""
        return getattr(self._stream, name)


def harmless_document(value: Any) -> Any:
    """Return a document without what could harm a reader: control codes, turned writing."""
    if isinstance(value, str):
        return _DIRECTION.sub("", harmless(value.encode(errors="replace").decode()))
    if isinstance(value, Packed):
        return value.changed(harmless_document)
    if isinstance(value, Mapping):
        return {harmless_document(str(key)): harmless_document(item) for key, item in value.items()}
    return [harmless_document(item) for item in value] if isinstance(value, list | tuple) else value


def tell_json_line(facts: object) -> None:
    """Print facts as one line of JSON, at once, which no reader takes for two."""
    click.echo(_inert_json(json.dumps(facts, default=plain)))


def json_document(facts: object) -> Iterator[str]:
    """Yield facts as one JSON document, in pieces."""
    # Of many hosts nobody reads it as it is, and indented it takes twenty times as long.
    if isinstance(facts, dict) and len(facts.get("hosts", ())) > _INDENTED_HOSTS:
        yield from pieces(facts, ascii_only=False)
    else:
        yield json.dumps(facts, indent=2, default=plain, ensure_ascii=False)
    yield "\n"


def tell_json(facts: object) -> None:
    """Print facts as one JSON document."""
    for text in json_document(facts):
        click.echo(_inert_json(text), nl=False)


def _inert_json(text: str) -> str:
    """Return JSON with the same meaning, in which CI takes nothing for its command."""
    return re.sub(r"##(?=\[|vso\[)", r"#\\u0023", text)
