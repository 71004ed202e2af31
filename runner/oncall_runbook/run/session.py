"""A run at work: plays its playbook, and knows what its hosts have told so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from oncall_runbook.packed import Packed
from oncall_runbook.run import engine, through
from oncall_runbook.run.conclusion import Job, conclude, document
from oncall_runbook.run.engine import Outcome, Request
from oncall_runbook.run.events import Event
from oncall_runbook.run.host_state import HostState, advance

if TYPE_CHECKING:
    from oncall_runbook.documents import RunDocument

# Of more hosts than that, findings are kept packed.
_WHOLE = 200

Listener = Callable[[Event, HostState], None]


class Progress(Protocol):
    """Something that is told every event, with the host's state after it."""

    def tell(self, event: Event, state: HostState) -> None:
        """Take one event."""

    def output(self, text: str) -> None:
        """Take a piece of ansible's own output."""

    def close(self) -> None:
        """Stop; nothing of it stays on the screen but the decisions."""


@dataclass
class Session:
    """A run at work: its facts, and what its hosts have told so far."""

    job: Job
    request: Request
    progress: Callable[[bool], Progress]  # what shows a play, made anew for each: whether it acts
    listeners: list[Listener] = field(default_factory=list)  # to every event, after the progress
    states: dict[str, HostState] = field(default_factory=dict)

    def play(
        self,
        *,
        remediate: bool,
        turn: bool = True,
        hosts: Sequence[str] = (),
        before: Outcome | None = None,
    ) -> Outcome:
        """Run the playbook once, from the beginning, and conclude every host's verdict.

        That is of all hosts of the run, or of some. What is to be done is done where it is the
        host's ``turn``, and on one alone. A play ``before`` it has used some of the run's time.
        """
        self.states = {}
        request = replace(
            self.timed(before) if before else self.request,
            tags="remediate" if remediate else None,
            hosts=tuple(hosts) or self.request.hosts,
            run_vars={**self.request.run_vars, **({} if turn else {"run_turn": False})},
        )
        progress = self.progress(remediate)
        try:
            play = through.run if request.through else engine.run
            outcome = play(request, lambda event: self._take(event, progress), progress.output)
        finally:
            progress.close()
        if before:
            outcome = replace(
                outcome,
                deadline_seconds=before.deadline_seconds,
                warnings=tuple(dict.fromkeys((*before.warnings, *outcome.warnings))),
            )
        self.states = conclude(self.job, self.states, outcome)
        return outcome

    def timed(self, before: Outcome) -> Request:
        """Return the request with the time that the run has left after a play."""
        left = self.job.started + before.deadline_seconds - time.time()
        return replace(self.request, timeout=max(1.0, left))

    def _take(self, event: Event, progress: Progress) -> None:
        if event.kind == "wait" and event.host not in self.states:
            return  # a line like that of something else
        state = advance(self.states.get(event.host, HostState()), event)
        few = len(self.states) < _WHOLE or isinstance(state.findings, Packed)
        self.states[event.host] = state if few else replace(state, findings=Packed(state.findings))
        for listener in (progress.tell, *self.listeners):
            listener(event, state)

    def document(self, outcome: Outcome) -> RunDocument:
        """Return the run's document as it stands."""
        return document(self.job, self.states, outcome, time.time())
