"""Writes what is made from the stubs of the actions, and from the cards: ``make docs`` runs it."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import yaml
from jinja2 import Environment, FileSystemLoader

from oncall_runbook.commands.cli import cli

ROOT = Path(__file__).parents[1]
# In the order in which they are used; a stub that is not named here comes last.
ORDER = (
    "judge",
    "judge_all",
    "tell",
    "lease",
    "keep",
    "act",
    "look",
    "prove",
    "fetch",
    "ask",
    "watch",
)
# The roles whose inputs are not one card's, in the order in which people ask for them.
OF_ALL = ("stack", "incident", "operation", "watch", "fleet", "run", "response")
_MARKUP = re.compile(r"\b(?:[BCIMOPV]|RV)\(((?:[^()]|\([^()]*\))*)\)")


def pages() -> Iterator[tuple[Path, str]]:
    """Return each file that is made, and what it holds."""
    templates = environment()
    stubs = {name: read_stub(name) for name in sorted(_stub_names(), key=_place)}
    yield ROOT / "docs/actions.md", templates.get_template("actions.md.j2").render(stubs=stubs)
    specs: dict[str, Any] = {role: _spec(role) for role in OF_ALL}
    for path in sorted(ROOT.glob("roles/*/card.yml")):
        name, card = path.parent.name, yaml.safe_load(path.read_text(encoding="utf-8"))
        inputs = {f"{name}_{key}": option for key, option in card.get("inputs", {}).items()}
        known = {"name": name, "card": card, "inputs": inputs}
        for place, template in _OF_CARD.items():
            yield path.parent / place, templates.get_template(template).render(known)
        if inputs:
            specs[name] = {"short_description": card["title"], "options": inputs}
    manual = templates.get_template("runbook.1.j2")
    yield ROOT / "docs/runbook.1", manual.render(cli=cli, commands=_commands(), common=_common())
    yield ROOT / "docs/inputs.md", templates.get_template("inputs.md.j2").render(specs=specs)


_OF_CARD = {"README.md": "role.md.j2", "meta/argument_specs.yml": "argument_specs.yml.j2"}


def _commands() -> dict[str, click.Command]:
    """Return every command by its words, without those that only hold others."""
    found: dict[str, click.Command] = {}

    def add(words: str, command: click.Command) -> None:
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                add(f"{words} {name}", inner)
        elif not command.hidden:
            found[words] = command

    add("runbook", cli)
    return found


def _common() -> dict[str, click.Option]:
    """Return the options that most commands share, by their names."""
    times = Counter(name for command in _commands().values() for name in _options(command))
    known = {
        name: one for command in _commands().values() for name, one in _options(command).items()
    }
    return {name: known[name] for name, number in times.items() if number > len(_commands()) / 3}


def _options(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command as they are typed, without --help."""
    found = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            record = parameter.get_help_record(click.Context(command)) or ("", "")
            found[record[0]] = parameter
    return found


def _usage(words: str, command: click.Command) -> str:
    context = click.Context(command, info_name=words)
    return " ".join([words, *command.collect_usage_pieces(context)])


def _told(option: click.Option) -> str:
    """Return the help of an option, with its default and its environment variable."""
    record = option.get_help_record(click.Context(click.Command("x")))
    return record[1] if record else ""


def _roff(text: str) -> str:
    """Return ``text`` as roff reads it: nothing of it is a request or an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("\b\n", "")
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in text.splitlines())


def _spec(role: str) -> dict[str, Any]:
    """Return the inputs of a role: its one argument spec."""
    text = (ROOT / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8")
    (spec,) = yaml.safe_load(text)["argument_specs"].values()
    return dict(spec)


def read_stub(name: str) -> dict[str, Any]:
    """Return what the stub of the action ``name`` says: its options, values and examples."""
    text = (ROOT / f"plugins/modules/{name}.py").read_text(encoding="utf-8")
    told = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    doc, returned = (yaml.safe_load(told[key]) for key in ("DOCUMENTATION", "RETURN"))
    return {"doc": doc, "returned": returned, "examples": told["EXAMPLES"]}


def environment() -> Environment:
    """Return the templates, with what they need to write Markdown."""
    found = Environment(
        loader=FileSystemLoader(ROOT / "tools/templates"), trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    found.filters |= {
        "cell": lambda text: " ".join(str(text).split()).replace("|", "\\|"),
        "lines": lambda text: [text] if isinstance(text, str) else text,
        "quoted": lambda values: ", ".join(f"`{value}`" for value in values),
        "options": _options,
        "roff": _roff,
        "said": _said,
        "told": _told,
        "tojson": lambda value: json.dumps(value, ensure_ascii=False),
        "usage": lambda command, words: _usage(words, command),
        "words": _words,
    }
    return found


def _stub_names() -> Iterator[str]:
    return (path.stem for path in (ROOT / "plugins/modules").glob("*.py"))


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def _said(attribute: Mapping[str, str]) -> str:
    return f"{attribute['support']}. {_words(attribute['details'])}"


def _words(text: str) -> str:
    """Return ``text`` with what Ansible marks up (``O(run)``, ``V(true)``) as Markdown's code."""
    return _MARKUP.sub(lambda found: f"`{found[1]}`", text)


def main() -> None:
    """Write them all."""
    for path, text in pages():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
