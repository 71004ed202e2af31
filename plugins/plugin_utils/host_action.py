# GNU General Public License v3.0 or later (see LICENSE)
"""What the reading and the writing action share: one channel to the host, one way to fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

from ansible.errors import (
    AnsibleActionFail,
    AnsibleConnectionFailure,
    AnsibleError,
    AnsibleUndefinedVariable,
)
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ansible.utils.vars import load_extra_vars

from . import cards, expressions, inputs, vaulted
from .bounds import bounded
from .channel import Answer, Question, Shell, answers, new_token, script
from .findings import question
from .redact import is_secret, named_secrets

# What a host gets beyond its deadlines, to connect, and beyond its answers, in memory.
_CONNECT_SECONDS = 120
_ROOM_BYTES = 64 * 2**20
Result = dict[str, Any]
"""What an action returns to Ansible: Ansible's own keys, and those of the action."""


class HostAction(ActionBase):
    """An action that needs nothing on its host but a POSIX shell: no Python, no file."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    wrong_inputs: Sequence[str] = ()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        """Refuse extra variables that would stand for what was found; return an empty result."""
        result: Result = super().run(tmp, task_vars)
        self.library = self._library(task_vars or {})
        if strange := inputs.strangers(load_extra_vars(self._loader), self.library):
            raise AnsibleActionFail(f"wrong input: no input is called {', '.join(strange)}")
        return result

    def _library(self, variables: Mapping[str, Any]) -> cards.Library:
        """Return the cards that are known for this host: shipped ones, and its site's own."""
        named = self._templar.template(variables.get("incident_cards") or [])
        try:
            return cards.library(cards.directories(variables.get("inventory_dir"), named))
        except (cards.CardError, OSError) as error:
            raise AnsibleActionFail(f"a card is wrong: {error}") from error

    def ask(
        self,
        questions: Sequence[Question],
        shell: Mapping[str, Any],
        *,
        whole: bool = False,
        abandoned: str = "",
    ) -> dict[str, Answer]:
        """Ask ``questions`` in one round trip and return an answer for each.

        What is ``whole`` goes on to its end when the connection is lost, or the run is cancelled;
        ``abandoned`` is shell text for the host to run then, after all has ended.

        ``shell`` holds ``environment`` (name to an expression over the host's variables),
        ``libraries`` (shell files below the collection's roles whose functions the commands use),
        ``files`` (name to a file below the roles whose text the variable of that name holds), and
        perhaps ``learn`` (id, run and timeout of what is asked once, before the others) and
        ``before`` (what each question begins with).
        """
        token = new_token()
        # Whatever bears the run's mark ends with the run, where the host is this machine.
        unmarked = "-u RUNBOOK_RUN_ID " if whole else ""
        given = self._shell(shell)
        text = script(questions, token, given, whole=whole, abandoned=abandoned)
        longest = max(q.timeout for q in questions) + (given.learn.timeout if given.learn else 0)
        # Of each answer both streams in base64, a few times while it is read.
        room = sum(12 * q.limit for q in questions) + _ROOM_BYTES
        command = f"env {unmarked}RUNBOOK_CHANNEL={new_token()} sh"
        result = self.sent(command, text.encode(), longest + _CONNECT_SECONDS, room)
        found = answers(result["stdout"], questions, token)
        if result["rc"] != 0 and all(answer.rc is None for answer in found.values()):
            if result["rc"] < 0:  # a signal ended ssh, or whatever connects
                raise AnsibleConnectionFailure("the connection to the host broke off")
            said = (result["stderr"] or result["stdout"]).strip().splitlines()
            raise AnsibleActionFail(
                f"the host's shell gave no answer (exit status {result['rc']}): "
                f"{said[-1] if said else 'nothing was printed'}"
            )
        return found

    def sent(self, command: str, text: bytes, seconds: float, room: int) -> Mapping[str, Any]:
        """Run a command with ``text`` as its input; return ``rc``, ``stdout`` and ``stderr``.

        It gets ``seconds``, and its answer ``room`` bytes: past either it raises
        AnsibleConnectionFailure, as for a host that cannot be reached.
        """
        result: Result = {}
        with self._unseen(), bounded(seconds, room) as why:
            try:
                result = self._low_level_execute_command(
                    command, in_data=text, executable="/bin/sh"
                )
            except AnsibleConnectionFailure as error:
                # ssh ended before it took the input: Ansible says why only without any.
                if isinstance(error.__cause__, BrokenPipeError):
                    self._low_level_execute_command(":", executable="/bin/sh")
                raise
        if why:
            raise AnsibleConnectionFailure(why[0])
        return result

    def question(self, probe: Mapping[str, Any]) -> Question:
        """Return the channel question of ``probe``, after the words of its card's ``shell``.

        A shared probe names the incident whose words it uses.
        """
        asked = question({key: self._rendered(value) for key, value in probe.items()})
        if not (own := probe.get("shell")):
            return asked
        shell = self._shell(self.library.shell_of(own) if isinstance(own, str) else own)
        return replace(asked, words="\n".join([*shell.variables, shell.library]))

    def _shell(self, given: Mapping[str, Any]) -> Shell:
        learn = given.get("learn")
        environment = given.get("environment", {})
        values = {name: str(self.evaluate(text, {})) for name, text in environment.items()}
        files = given.get("files", {})
        return Shell(
            environment=values,
            texts={name: _text_of(path) for name, path in files.items()},
            library="\n".join(map(_text_of, given.get("libraries", []))),
            before=self._rendered(given.get("before", "")),
            learn=question(learn) if learn else None,
        )

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        """Keep the raw channel, not yet redacted, out of the connection's own -vvv output."""
        context = self._connection._play_context
        before, context.no_log = context.no_log, True
        try:
            yield
        finally:
            context.no_log = before

    def known_secrets(self, variables: Mapping[str, Any]) -> set[str]:
        """Return the host's variables that bear the name of a secret, or come from a vault."""
        found = {}
        for name in filter(is_secret, variables):
            with suppress(AnsibleError):  # one that nothing here uses may not be defined in full
                found[name] = self._templar.template(variables[name])
        return named_secrets(found) | vaulted.secrets_of(variables)

    def arguments(self, spec: Mapping[str, Any], **rules: Any) -> dict[str, Any]:
        """Return the task's arguments, checked against ``spec`` and ``rules``.

        What is a dictionary already is not copied with all that is in it, as Ansible would.
        """
        given = self._task.args
        whole = {name: value for name, value in given.items() if isinstance(value, Mapping)}
        self._task.args = {**given, **{name: {} for name in whole}}
        try:
            _result, checked = self.validate_argument_spec(dict(spec), **rules)
        finally:
            self._task.args = given
        return {**checked, **whole}

    def use_collection(self, variables: Mapping[str, Any]) -> None:
        """Let templates and expressions see what the collection's roles define.

        ``variables`` are the host's: they outweigh the roles' defaults, not their own.
        """
        spec = {**inputs.options("run", "stack", "incident"), **self.library.inputs}
        self._use(spec, variables, self.library.defaults, cards.own())

    def use_operations(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """Let templates see what routine operations have as well; return what those run in."""
        known = cards.operations()
        fixed = {**cards.own(), "operation_kinds": known["operation_kinds"]}
        spec = inputs.options("run", "stack", "operation")
        self._use(spec, variables, {**self.library.defaults, **known}, fixed)
        stack, own = cards.own()["stack_shell"], known["operation_shell"]
        return {
            "before": own["before"],
            "environment": {**stack["environment"], **own["environment"]},
            "libraries": [*stack["libraries"], *own["libraries"]],
            "files": {**stack["files"], **own["files"]},
        }

    def _use(
        self,
        spec: Mapping[str, Any],
        variables: Mapping[str, Any],
        defaults: Mapping[str, Any],
        fixed: Mapping[str, Any],
    ) -> None:
        """Let templates see all these, the inputs among ``variables`` of the types in ``spec``."""
        self._templar.available_variables = {**defaults, **variables, **fixed}
        typed, self.wrong_inputs = inputs.checked(spec, variables, self._templar.template)
        self._templar.available_variables |= typed

    def _rendered(self, value: Any) -> Any:
        if not isinstance(value, str) or "{{" not in value:
            return value
        with suppress(LookupError, TypeError, ValueError):
            return expressions.render(value, self.variable)
        return self._templar.template(value)

    @cached_property
    def _templated(self) -> dict[str, Any]:
        return {}

    def variable(self, name: str) -> Any:
        """Return the value of an input or variable; raises KeyError where there is none."""
        if name not in self._templated:
            self._templated[name] = self._templar.template(self._templar.available_variables[name])
        return self._templated[name]

    def evaluate(self, expression: str, names: Mapping[str, Any]) -> Any:
        """Evaluate a Jinja ``expression`` of a card with ``names`` and the host's variables."""
        with suppress(LookupError, TypeError, ValueError):
            try:
                return expressions.evaluate(expression, names, self.variable)
            except expressions.UndefinedError as error:
                raise AnsibleUndefinedVariable(str(error)) from None
        return self._templar.evaluate_expression(
            trust_as_template(expression), local_variables=dict(names)
        )


@cache
def _text_of(path: str) -> str:
    """Return the text of a file below the collection's roles."""
    return (cards.ROLES / path).read_text(encoding="utf-8")
