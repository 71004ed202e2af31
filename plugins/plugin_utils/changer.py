# GNU General Public License v3.0 or later (see LICENSE)
"""What the changing actions share: the lease of a host, and how a host refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import lock
from .channel import Answer
from .host_action import HostAction, Result

# A lease is renewed while its step goes on, and outlives it by the time that probing again and
# deciding may take.
_LEASE_SECONDS = 300
_REFUSAL = "refused: "
# How a step says that it may not be done, by its exit status (EX_NOPERM, and what lock.sh says).
_REFUSALS = {77: _REFUSAL, lock.NONE: lock.NO_LEASE}


class Changer(HostAction):
    """An action that changes a host, or who holds it."""

    def leased(
        self,
        command: str,
        run_id: str,
        functions: Mapping[str, Any],
        *,
        release: str = "",
        **step: Any,
    ) -> Answer:
        """Run ``command``, which sets ``status``, under the lease of the run ``run_id``.

        A lease of a run that is dead on this control host is broken. ``release`` is the word of
        lock.sh that gives the host back after it, if any; where nobody listens any more at its end,
        the host gives itself back. ``functions`` is the shell that it runs in, and ``step`` what
        its probe has besides: timeout, the incident whose shell it uses too, and whether it is
        whole.
        """

        def attempt(broken: str) -> Answer:
            stack = str(self.evaluate("stack_dir", {}))
            lease = lock.shell(stack, run_id, _LEASE_SECONDS, broken)
            # Whoever gives the host back changes nothing more.
            despite = "\nlock_despite_hold=yes" if release else ""
            return self.step(
                f"{lease}{despite}\ntake_lock || exit\nkeeper=$(keep_lock)\n"
                f'{command}\nkill "$keeper"\n{release}\nexit "$status"',
                functions,
                abandoned=f"{lease}\nabandon_lock",
                **step,
            )

        answer = attempt("")
        holder = lock.Lease.read(_last_line(answer))
        if answer.rc == lock.HELD and lock.is_dead(holder.owner):
            answer = attempt(holder.owner)
        return answer

    def step(
        self,
        command: str,
        functions: Mapping[str, Any],
        *,
        whole: bool = True,
        abandoned: str = "",
        **step: Any,
    ) -> Answer:
        """Run ``command`` on the host, to its end or deadline where it is ``whole``.

        ``abandoned`` is run after it where nobody listens any more then.
        """
        asked = self.question({"id": "step", "run": command, **step})
        return self.ask([asked], functions, whole=whole, abandoned=abandoned)["step"]


def refusal(answer: Answer) -> Result:
    """Return the failure of a host that is held by others, or refuses; empty where it does not."""
    said = _last_line(answer)
    if answer.rc == lock.HELD:
        reason = str(lock.Lease.read(said))
        return failure("locked", reason)
    if said.startswith(_REFUSALS.get(answer.rc or 0, "\n")):
        reason = said.removeprefix(_REFUSAL)
        return failure("refused", reason)
    return {}


def failure(word: str, reason: str) -> Result:
    """Return the failure of an action whose verdict is ``word``, said as ``tell`` says it."""
    return {"failed": True, "verdict": word, "reason": reason, "msg": f"{word}: {reason}"}


def _last_line(answer: Answer) -> str:
    return answer.stderr.strip().rpartition("\n")[2]
