"""Runs as ansible-playbook, without what costs each run time and gives it nothing.

Usage: python -P ansible_playbook.py ARGUMENTS-OF-ANSIBLE-PLAYBOOK

Measured on Python 3.11 with ansible-core 2.19:

- Python's own settings of the garbage collector look through all of ansible again and again while
  it is imported, in each worker, and once more at the end: a quarter of a second.
- Ansible reads its settings and the redirections of its own plugins from 460 KB of YAML, the
  options of each plugin from its documentation, and the actions of this collection their cards
  from 80 KB: 0.14 s.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import hashlib
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_ALLOCATIONS = 100_000  # between two collections; the default is 700


def cached(parse: Callable[..., Any], directory: Path) -> Callable[..., Any]:
    """Return ``parse`` with its results kept in ``directory``.

    ``parse`` takes YAML (text, bytes or a file open for reading), and what else concerns it alone.
    Ansible provides for such a cache: see its ``_meta_yml_to_dict``. A file that somebody else
    could have written is not read; where none can be kept, and for what JSON cannot hold (dates,
    numbers as keys), each run parses.
    """

    def remembered(text: Any, *rest: Any, **options: Any) -> Any:
        text = text.read() if hasattr(text, "read") else text
        data = text.encode() if isinstance(text, str) else text
        path = directory / f"{hashlib.sha256(data).hexdigest()}.json"
        with contextlib.suppress(OSError, ValueError):
            if _is_ours(directory) and _is_ours(path):
                return json.loads(path.read_bytes())
        found = parse(text, *rest, **options)
        with contextlib.suppress(OSError, TypeError):
            if json.loads(json.dumps(found)) == found:
                directory.mkdir(parents=True, mode=0o700, exist_ok=True)
                import_module("oncall_runbook.run.run_files").write_atomically(path, found)
        return found

    return remembered


def cached_documentation(parse: Callable[..., Any], directory: Path) -> Callable[..., Any]:
    """Return ``parse`` of the documentation of plugins, with its results kept in ``directory``.

    The defaults of options may be templates: they are trusted if the text that they come from is.
    """
    template: Any = import_module("ansible.template")
    remembered = cached(parse, directory)

    def trusted(found: Any) -> Any:
        if isinstance(found, str):
            return template.trust_as_template(found) if "{" in found else found
        if isinstance(found, dict):
            return {name: trusted(value) for name, value in found.items()}
        return [trusted(value) for value in found] if isinstance(found, list) else found

    def documentation(text: Any, **options: Any) -> Any:
        if not template.is_trusted_as_template(text):
            return parse(text, **options)
        return trusted(remembered(text, **options))

    return documentation


def _is_ours(path: Path) -> bool:
    """Tell whether nobody but us could have written it."""
    found = path.lstat()
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def main() -> Any:
    """Run ansible-playbook with the arguments of this process; return its exit status."""
    gc.set_threshold(_ALLOCATIONS)
    # What the system takes back anyhow, or is the parent's, need not be looked through.
    atexit.register(gc.freeze)
    os.register_at_fork(after_in_child=gc.freeze)

    finder: Any = import_module("ansible.utils.collection_loader._collection_finder")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    directory = Path(cache).expanduser() / "runbook"
    yaml: Any = import_module("ansible.module_utils.common.yaml")
    yaml.yaml_load = cached(yaml.yaml_load, directory)
    finder._meta_yml_to_dict = cached(finder._meta_yml_to_dict, directory)

    for name in ("ansible.plugins.loader", "ansible.utils.plugin_docs"):
        module: Any = import_module(name)
        load = cached_documentation(module.yaml.load, directory / "documentation")
        module.yaml = SimpleNamespace(**{**vars(module.yaml), "load": load})

    ansible: Any = import_module("ansible.cli.playbook")
    gc.freeze()
    sys.argv[0] = "ansible-playbook"
    return ansible.main()


if __name__ == "__main__":
    sys.exit(main())
