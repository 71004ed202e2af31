# GNU General Public License v3.0 or later (see LICENSE)
"""What the reading and the writing action share: one channel to the host, one way to fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

from .channel import Answer, Question, Shell, answers, new_token, script
from .findings import question

_ROLES = Path(__file__).parents[2] / "roles"


class HostAction(ActionBase):
    """An action that needs nothing on its host but a POSIX shell: no Python, no file."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def ask(self, questions: Sequence[Question], shell: Mapping[str, Any]) -> dict[str, Answer]:
        """Ask ``questions`` in one round trip and return an answer for each.

        ``shell`` holds ``environment`` (name to value), ``libraries`` (shell files below the
        collection's roles whose functions the commands use), and perhaps ``learn`` (id, run and
        timeout of what is asked once, before all of them).
        """
        token = new_token()
        text = script(questions, token, _shell(shell))
        result = self._low_level_execute_command("sh", in_data=text.encode(), executable="/bin/sh")
        found = answers(result["stdout"], questions, token)
        if result["rc"] != 0 and all(answer.rc is None for answer in found.values()):
            said = (result["stderr"] or result["stdout"]).strip().splitlines()
            raise AnsibleActionFail(
                f"the host's shell gave no answer (exit status {result['rc']}): "
                f"{said[-1] if said else 'nothing was printed'}"
            )
        return found

    def evaluate(self, expression: str, names: Mapping[str, Any]) -> Any:
        """Evaluate a Jinja ``expression`` of a card with ``names`` and the host's variables."""
        return self._templar.evaluate_expression(
            trust_as_template(expression), local_variables=dict(names)
        )


def _shell(given: Mapping[str, Any]) -> Shell:
    learn = given.get("learn")
    return Shell(
        environment={name: str(value) for name, value in given.get("environment", {}).items()},
        library="\n".join(
            (_ROLES / name).read_text(encoding="utf-8") for name in given.get("libraries", [])
        ),
        learn=question(learn) if learn else None,
    )
