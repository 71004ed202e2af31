"""The options that commands share, with their help and their environment variables."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from oncall_runbook.commands import completing
from oncall_runbook.reports.writing import FORMS
from oncall_runbook.run.options import Options

REPORTS = (*FORMS, "json", "html")

Command = TypeVar("Command", bound=Callable[..., Any])


class ReportType(click.ParamType[tuple[str, Path]]):
    """One `FORMAT=FILE`: a report of the run, in a file."""

    name = "report"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Take the format and the file apart."""
        if isinstance(value, tuple):
            return value
        form, equals, path = str(value).partition("=")
        if form not in REPORTS or not equals or not path:
            self.fail(f"{value!r} is no FORMAT=FILE; formats: {', '.join(REPORTS)}", param, ctx)
        return form, Path(path)


class ExtraVarsType(click.ParamType[str]):
    """One `-e` value; the environment variable is one value too, blanks and all."""

    name = "vars"

    def split_envvar_value(self, rv: str) -> list[str]:
        """Take the environment variable whole, so that JSON with blanks survives."""
        return [rv]


def _format_option(*more: str, help: str) -> Callable[[Command], Command]:
    return click.option(
        "--format",
        type=click.Choice(["text", "json", *more]),
        default="text",
        show_default=True,
        envvar="RUNBOOK_FORMAT",
        show_envvar=True,
        help=help,
    )


format_option = _format_option(help="Text for people, or one JSON document on stdout.")
live_format_option = _format_option(
    "jsonl",
    "short",
    help="Text for people, one line for each host, one JSON document on stdout, or as JSON lines "
    "what happens as it happens, and that document as the last.",
)
run_format_option = _format_option(
    "jsonl",
    "short",
    *FORMS,
    help="Text for people, one line for each host, one JSON document on stdout, as JSON lines "
    "what happens as it happens and that document as the last, or a report for CI.",
)
document_format_option = _format_option(
    *FORMS, help="Text for people, one JSON document on stdout, or a report for CI."
)
card_format_option = _format_option(
    "markdown",
    "survey",
    help="Text for people, one JSON document on stdout, a page for a wiki, or a survey of AWX.",
)

_OPTIONS = {
    "inventory": click.option(
        "-i",
        "--inventory",
        metavar="PATH|HOST,",
        envvar="RUNBOOK_INVENTORY",
        show_envvar=True,
        help="Inventory file, directory or `host,`; else ansible.cfg's, else this machine.",
    ),
    "limit": click.option(
        "-l",
        "--limit",
        metavar="PATTERN",
        envvar="RUNBOOK_LIMIT",
        show_envvar=True,
        help="Only the hosts of the inventory that match.",
        shell_complete=completing.hosts,
    ),
    "extra_vars": click.option(
        "-e",
        "--extra-vars",
        type=ExtraVarsType(),
        multiple=True,
        metavar="K=V|YAML|@FILE",
        envvar="RUNBOOK_EXTRA_VARS",
        show_envvar=True,
        help="Variables for the playbook; repeatable, never kept. Secrets belong in a @FILE.",
    ),
    "forks": click.option(
        "-f",
        "--forks",
        type=click.IntRange(min=1),
        envvar="RUNBOOK_FORKS",
        show_envvar=True,
        help="Hosts to work on at the same time.",
    ),
    "timeout": click.option(
        "--timeout",
        type=click.IntRange(min=1),
        metavar="SECONDS",
        show_default="the inventory's run_deadline_seconds, 43200",
        envvar="RUNBOOK_TIMEOUT",
        show_envvar=True,
        help="End the run after this time, with exit code 124.",
    ),
    "through": click.option(
        "--through",
        metavar="MACHINE",
        envvar="RUNBOOK_THROUGH",
        show_envvar=True,
        help="Ask the hosts from that machine near them: as ssh knows it, or receptor:NODE.",
    ),
    "format": format_option,
    "reports": click.option(
        "--report",
        "reports",
        type=ReportType(),
        multiple=True,
        metavar="FORMAT=FILE",
        envvar="RUNBOOK_REPORT",
        show_envvar=True,
        help=f"Also write the run to a file, as {', '.join(REPORTS[:-1])} or {REPORTS[-1]}; "
        "repeatable.",
    ),
    "vault_password_file": click.option(
        "--vault-password-file",
        type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
        envvar="RUNBOOK_VAULT_PASSWORD_FILE",
        show_envvar=True,
        help="File, program or file descriptor (/dev/fd/3) that gives the vault password.",
    ),
    "verbose": click.option(
        "-v",
        "--verbose",
        count=True,
        envvar="RUNBOOK_VERBOSE",
        show_envvar=True,
        help="Also show ansible's own output, on stderr; -vvv for more.",
    ),
    "cards": click.option(
        "--cards",
        multiple=True,
        metavar="DIR|COLLECTION",
        envvar="RUNBOOK_CARDS",
        show_envvar=True,
        help="Where cards of your own are, besides incidents/ beside the inventory; repeatable.",
    ),
    "store": click.option(
        "--store",
        metavar="URL",
        envvar="RUNBOOK_STORE",
        show_envvar=True,
        help="Where incidents are kept, as postgresql://user@host/name; else a file of your own.",
    ),
}


def example(*lines: str) -> str:
    """Return the end of a command's help, whose lines click must not join."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def option(name: str, parameter: str = "", **how: Any) -> Callable[[Command], Command]:
    """Return a click option with an environment variable of its own name.

    `parameter` is what the command calls it, where that is another name.
    """
    variable = f"RUNBOOK_{name.strip('-').replace('-', '_').upper()}"
    names = [name, *([parameter] if parameter else [])]
    return click.option(*names, envvar=variable, show_envvar=True, **how)


html_option = option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write it as a page of one file instead, and print its path.",
)

record_option = option(
    "--incident",
    "record",
    metavar="N|new",
    help="The incident record it stands in; `new` opens one for what it finds.",
)


def yes_is_taken(command: Command) -> Command:
    """Let a command that asks nothing take --yes, as those do that ask."""
    how: dict[str, Any] = {
        "is_flag": True,
        "expose_value": False,
        "help": "Taken, though nothing is asked.",
    }
    return option("--yes", **how)(command)


yes_option = option("--yes", is_flag=True, help="Do not ask; for use without a terminal.")


def allow_option(what: str) -> Callable[[Command], Command]:
    """Return the option `allow: str`, the riskiest of `what` a command may do."""
    return option(
        "--allow",
        type=click.Choice(["restart", "outage", "data"]),
        default="restart",
        show_default=True,
        help=f"The riskiest {what}.",
    )


out_option = option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write it to a file, which remediate --plan carries out.",
)
_plan_option = option(
    "--plan",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Carry out the plan that plan --out wrote there, and nothing else.",
)
_plan_age_option = option(
    "--plan-age",
    type=click.IntRange(min=1),
    metavar="HOURS",
    help="Refuse a plan that is older.",
    show_default="the inventory's run_plan_hours when it was made, 24",
)


def plan_options(command: Command) -> Command:
    """Give a command the options of a plan that it carries out: `plan` and `plan_age`."""
    return _plan_option(_plan_age_option(command))


def given(parameter: str) -> Any:
    """Return an option of the command at work as it was given; none where it has its default."""
    context = click.get_current_context()
    if context.get_parameter_source(parameter) is ParameterSource.DEFAULT:
        return None
    return context.params[parameter]


class HowManyType(click.ParamType[str]):
    """A number of hosts, or a share of them: `5` or `10%`."""

    name = "N|P%"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take it as it is written."""
        text = str(value).strip()
        if not re.fullmatch(r"[1-9][0-9]*|([1-9][0-9]?|100)%", text):
            self.fail(f"{text!r} is no number of hosts, and no share of them as 10%", param, ctx)
        return text


class BatchesType(HowManyType):
    """Several of them, with commas between."""

    name = "N|P%,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take them as they are written, without blanks."""
        sizes = str(value).split(",")
        return ",".join(super(BatchesType, self).convert(size, param, ctx) for size in sizes)


_ROLLOUT = (
    option(
        "--batch",
        "run_batches",
        type=BatchesType(),
        help="Change so many of several hosts at a time; the last size again until all are done.",
        show_default="the inventory's run_batches, 1,10%,100%",
    ),
    option(
        "--max-fail",
        "run_max_fail",
        type=HowManyType(),
        help="Begin nothing more when so many hosts are unreachable, unknown or not fixed.",
        show_default="the inventory's run_max_fail, 50%",
    ),
    option(
        "--soak",
        "run_soak_seconds",
        type=click.IntRange(min=0),
        metavar="SECONDS",
        help="Wait that long after each batch, and look at its hosts once more.",
        show_default="the inventory's run_soak_seconds, 10",
    ),
)


def rollout_options(command: Command) -> Command:
    """Give a command the options of a change to several hosts, as one `rollout: dict`."""

    @functools.wraps(command)
    def packed(*, run_batches: str | None, **given: Any) -> Any:
        named = ("run_max_fail", "run_soak_seconds")
        rollout = {name: value for name in named if (value := given.pop(name)) is not None}
        if run_batches is not None:
            rollout["run_batches"] = run_batches.split(",")
        return command(rollout=rollout, **given)

    decorated: Any = packed
    for one in reversed(_ROLLOUT):
        decorated = one(decorated)
    return decorated  # type: ignore[no-any-return]


take_over_option = option(
    "--take-over",
    is_flag=True,
    help="Cure also what somebody has just stopped, paused or changed by hand.",
)


def run_options(command: Command) -> Command:
    """Give a command all shared options; it gets them as one `options: Options`."""
    return shared_options(*_OPTIONS, shown_by=run_format_option)(command)


def live_options(command: Command) -> Command:
    """Give a command that shows hosts and leaves no document the shared options for that."""
    names = [name for name in _OPTIONS if name != "reports"]
    return shared_options(*names, shown_by=live_format_option)(command)


def shared_options(*names: str, shown_by: Any = format_option) -> Callable[[Command], Command]:
    """Give a command some of the shared options, as one `options: Options`.

    `shown_by` is its option --format.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def packed(**given: Any) -> Any:
            chosen = {name: given.pop(name) for name in names if name in given}
            return command(options=Options(inventory_from=_origin(), **chosen), **given)

        decorated: Any = packed
        for name in reversed(names):
            decorated = (shown_by if name == "format" else _OPTIONS[name])(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


def _origin() -> str:
    source = click.get_current_context().get_parameter_source("inventory")
    return "RUNBOOK_INVENTORY" if source is ParameterSource.ENVIRONMENT else "option -i"
