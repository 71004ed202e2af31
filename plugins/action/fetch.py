# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.fetch``: copies a backup to the control host, as a stream."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import HostAction, Result

_ARGUMENTS = {
    "path": {"type": "str", "required": True},
    "to": {"type": "path", "required": True},
}
_CHUNK = 1 << 20


class ActionModule(HostAction):
    """Fetches a file and its manifest, and proves the copy by the manifest's sha256."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        """Return where the copy is (``fetched``) and its bytes; nothing halfway keeps its name."""
        result: Result = super().run(tmp, task_vars)
        arguments = self.arguments(_ARGUMENTS)
        host = str((task_vars or {}).get("inventory_hostname", "host"))
        source = arguments["path"].splitlines()[0]
        folder = Path(arguments["to"]).expanduser() / host
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            copy = self._fetch(source, folder)
        except (OSError, ValueError) as error:
            raise AnsibleActionFail(f"{source} was not fetched to {folder}: {error}") from error
        fetched = {"path": str(copy), "bytes": copy.stat().st_size}
        return result | {"changed": True, "fetched": fetched}

    def _fetch(self, source: str, folder: Path) -> Path:
        manifest = folder / f"{Path(source).name}.manifest.json"
        copy, partial = folder / Path(source).name, folder / f".{Path(source).name}.partial"
        try:
            self._copy(f"{source}.manifest.json", manifest)
            self._copy(source, partial)
            expected = json.loads(manifest.read_text(encoding="utf-8"))["sha256"]
            if _sha256(partial) != expected:
                raise ValueError("the copy's sha256 is not the one in its manifest")
            partial.rename(copy)
        except BaseException:
            partial.unlink(missing_ok=True)
            manifest.unlink(missing_ok=True)
            raise
        return copy

    def _copy(self, source: str, target: Path) -> None:
        """Copy by the connection's own means where its user may read the file."""
        target.touch(mode=0o600)
        readable = self._low_level_execute_command(f"test -r {shlex.quote(source)}", sudoable=False)
        if readable["rc"] != 0:
            raise ValueError("the user that the host is reached as may not read it")
        self._connection.fetch_file(source, str(target))


def _sha256(path: Path) -> str:
    sum = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sum.update(chunk)
    return sum.hexdigest()
