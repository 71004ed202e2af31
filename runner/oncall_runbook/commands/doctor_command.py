"""The command `runbook doctor`: whether all is there that an incident will need."""

from __future__ import annotations

from dataclasses import asdict

import click

from oncall_runbook.commands.shared_options import example, live_options
from oncall_runbook.run.options import Options
from oncall_runbook.text.output import say_aside, tell_json


@click.command(
    epilog=example("runbook doctor -i inventory.ini", "runbook doctor -l db1 --format json")
)
@live_options
def doctor(options: Options) -> int:
    """Tell before an incident whether all is there that one will need, and what to do where not.

    Looks at this machine (inventory, software, run directory, store of incidents, contacts) and,
    in one round trip, at every host (Docker, compose, the stack, clock, disks, the newest backup,
    sudo, tools); changes nothing.

    Exit codes: 0 all is well, or there are only warnings; 1 something is bad, here or on a host;
    2 wrong usage; 4 a host could not be reached or judged; 8 no host matched; 124 timed out;
    130 cancelled. The gravest wins: 1, 130, 124, 4, 0.
    """
    from oncall_runbook.checkup.check import exit_code
    from oncall_runbook.checkup.examination import examine
    from oncall_runbook.text.progress import progress_for

    checks, run = examine(options, progress_for(verbose=bool(options.verbose)), say_aside)
    code = exit_code(checks, run)
    if options.format == "json":
        found = {"schema": 1, "checks": [asdict(check) for check in checks], "exit_code": code}
        tell_json(found)
    else:
        from oncall_runbook.text.check_text import show

        show(checks, code)
    return code
