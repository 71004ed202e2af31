"""A run that changes hosts: one at once, several batch by batch, with a look after each batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from oncall_runbook.run import engine
from oncall_runbook.run.conclusion import allowance
from oncall_runbook.run.engine import Outcome
from oncall_runbook.run.host_state import HostState
from oncall_runbook.run.rollout import Rules, barred, common_causes, in_the_way, next_batch
from oncall_runbook.run.session import Session
from oncall_runbook.run.verdict import Verdict

_SILENT = HostState(Verdict.UNKNOWN, "the playbook did not judge this host")


def act(
    session: Session,
    say: Callable[[str], None],
    after_batch: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:
    """Do what was ordered, and return how the run ended; each of several batches is said.

    The first play looks at all hosts, and does what has to wait for nobody's turn. After each batch
    but the last `after_batch` is told how the run stands.
    """
    outcome = session.play(remediate=True, turn=False)
    waiting = [host for host in sorted(session.states) if _has_to_wait(session, host)]
    if outcome.status != "finished" or not waiting:
        return outcome
    rules = Rules.of(session.states)
    if why := _common_cause(session, rules):
        _hold_back(session, waiting, why)
        return outcome
    return _Batches(session, rules, say, after_batch, waiting, len(waiting)).go(outcome)


def _has_to_wait(session: Session, host: str) -> bool:
    state = session.states[host]
    return session.job.waits(state) and not allowance(state) and not state.actions


def _common_cause(session: Session, rules: Rules) -> str:
    common = {} if session.job.is_operation else common_causes(session.states, rules)
    told = [f"{name} is on {len(hosts)} of {rules.hosts} hosts" for name, hosts in common.items()]
    return (
        f"{'; '.join(told)}: look for a common cause first (run_common_cause_percent)"
        if told
        else ""
    )


def _hold_back(session: Session, waiting: Sequence[str], why: str = "") -> None:
    """Refuse what has not been begun: for a reason, else for the hosts in the way of each."""
    for host in waiting:
        reason = why or f"waits: {'; '.join(in_the_way(host, session.states).values())}"
        state = session.states[host]
        session.states[host] = replace(state, verdict=Verdict.REFUSED, reason=reason)


@dataclass
class _Batches:
    """The hosts of a run that are to be changed, and those that still wait for it."""

    session: Session
    rules: Rules
    say: Callable[[str], None]
    after_batch: Callable[[Outcome], None]
    waiting: list[str]
    total: int
    number: int = 0

    def go(self, outcome: Outcome) -> Outcome:
        """Change batch after batch, as long as the rules let the next one begin."""
        batch: list[str] = []
        while self.waiting and outcome.status == "finished":
            states, rules = self.session.states, self.rules
            why = barred(states, self.waiting, batch, rules) if self.total > 1 else ""
            batch = next_batch(states, self.waiting, self.number, self.total, rules)
            if why or not batch:
                _hold_back(self.session, self.waiting, why and f"not begun: {why}")
                return outcome
            outcome = self._change(batch, outcome)
            if self.waiting and outcome.status == "finished":
                outcome = self._look_again(batch, outcome)
                self.after_batch(outcome)
        _hold_back(self.session, self.waiting, f"not begun: the run was ended ({outcome.status})")
        return outcome

    def _change(self, batch: Sequence[str], before: Outcome) -> Outcome:
        """Change the hosts of a batch, and take over what became of each."""
        self.number += 1
        self.waiting = [host for host in self.waiting if host not in batch]
        if self.total > 1:
            of, left = f"{len(batch)} of {self.total} hosts", len(self.waiting)
            self.say(f"batch {self.number}: {of}{f', {left} wait' if left else ''}")
        known = self.session.states
        outcome = self.session.play(remediate=True, hosts=batch, before=before)
        became = self.session.states
        now = {host: replace(became.get(host, _SILENT), batch=self.number) for host in batch}
        self.session.states = {**known, **now}
        return outcome

    def _look_again(self, batch: Sequence[str], before: Outcome) -> Outcome:
        """Wait, and look once more at the hosts of a batch that were cured: they must still be."""
        seconds, known = self.rules.soak_seconds, self.session.states
        status = engine.pause(self.session.timed(before), seconds)
        cured = [host for host in batch if known[host].verdict is Verdict.FIXED]
        if status != "finished" or not cured or self.session.job.is_operation:
            return replace(before, status=status)
        outcome = self.session.play(remediate=False, hosts=cured, before=before)
        seen, self.session.states = self.session.states, known
        for host in cured:
            if (now := seen.get(host, _SILENT)).verdict is not Verdict.HEALTHY:
                what = ", ".join(now.root_causes) or now.reason
                reason = f"cured, and no longer well {seconds:.0f} s after its batch: {what}"
                known[host] = replace(known[host], verdict=Verdict.NOT_FIXED, reason=reason)
        return outcome
