"""Which inventory a run uses, and who said so."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from oncall_runbook.errors import BadInputError

THIS_MACHINE = "this machine"
SYSTEM_CONFIG = Path("/etc/ansible/ansible.cfg")


@dataclass(frozen=True)
class Inventory:
    """The sources to hand to ansible, and where the choice comes from."""

    sources: tuple[str, ...]
    origin: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{', '.join(self.sources)} ({self.origin})"


def resolve(option: str | None, origin: str, environ: Mapping[str, str], local: Path) -> Inventory:
    """Choose: the option, ansible's own settings, else this machine (`local`).

    A path that does not exist is an error: ansible would take it for a host name.
    """
    if option is not None:
        return Inventory((_source(option, Path.cwd(), origin),), origin)
    if listed := environ.get("ANSIBLE_INVENTORY"):
        return _listed(listed, Path.cwd(), "ANSIBLE_INVENTORY")
    config = _config_in_force(environ)
    if config and (listed := _setting(config, "defaults", "inventory")):
        return _listed(listed, config.parent, str(config))
    return Inventory((str(local),), THIS_MACHINE)


def manager(sources: Sequence[str]) -> Any:
    """Return ansible's own view of an inventory in this process, without any host's variables."""
    managers: Any = import_module("ansible.inventory.manager")  # it has no types
    loader: Any = import_module("ansible.parsing.dataloader")
    return managers.InventoryManager(loader=loader.DataLoader(), sources=list(sources))


def plugins(sources: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return which of ansible's inventory plugins `sources` need; empty where it must find out.

    Files of YAML, which are the rule, need two of the six that it would load and try in turn.
    """
    paths = [Path(source) for source in sources]
    data = all(
        path.suffix in (".yml", ".yaml") and path.is_file() and not os.access(path, os.X_OK)
        for path in paths
    )
    if not data or "ANSIBLE_INVENTORY_ENABLED" in environ:
        return ""
    return "" if setting(environ, "inventory", "enable_plugins") else "auto,yaml"


def setting(environ: Mapping[str, str], section: str, name: str) -> str:
    """Return a setting of the ansible.cfg in force; empty where there is none."""
    config = _config_in_force(environ)
    return _setting(config, section, name) if config else ""


def ssh_extra_args(environ: Mapping[str, str]) -> str:
    """Return what the user's settings of ansible give to each ssh."""
    return environ.get("ANSIBLE_SSH_EXTRA_ARGS") or setting(
        environ, "ssh_connection", "ssh_extra_args"
    )


def vault_password_file(environ: Mapping[str, str]) -> Path | None:
    """Return the file of the vault password that the user's settings of ansible name."""
    if named := environ.get("ANSIBLE_VAULT_PASSWORD_FILE"):
        return Path(os.path.expandvars(named)).expanduser()
    config = _config_in_force(environ)
    named = _setting(config, "defaults", "vault_password_file") if config else ""
    if not config or not named:
        return None
    return config.parent / Path(os.path.expandvars(named)).expanduser()


def vault_identities(environ: Mapping[str, str]) -> str:
    """Return the list of vault passwords that the user's settings of ansible name."""
    return environ.get("ANSIBLE_VAULT_IDENTITY_LIST") or setting(
        environ, "defaults", "vault_identity_list"
    )


def _listed(text: str, base: Path, origin: str) -> Inventory:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return Inventory(tuple(_source(name, base, origin) for name in names), origin)


def _source(text: str, base: Path, origin: str) -> str:
    if "," in text:
        return text
    path = base / Path(os.path.expandvars(text)).expanduser()
    if not text.strip() or not path.exists():
        raise BadInputError(
            f"inventory {text!r} ({origin}) does not exist; give a path, or 'host,' for one host"
        )
    return str(path)


def _config_in_force(environ: Mapping[str, str]) -> Path | None:
    named = environ.get("ANSIBLE_CONFIG")
    here = Path.cwd()
    candidates = [
        Path(named).expanduser() if named else None,
        here / "ansible.cfg" if not here.stat().st_mode & 0o002 else None,
        Path("~/.ansible.cfg").expanduser(),
        SYSTEM_CONFIG,
    ]
    paths = [path / "ansible.cfg" if path.is_dir() else path for path in candidates if path]
    return next((path.absolute() for path in paths if path.is_file()), None)


def _setting(config: Path, section: str, name: str) -> str:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    try:
        parser.read(config, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeError) as error:
        detail = str(error).splitlines()[0]
        raise BadInputError(f"{config} cannot be read: {detail}") from error
    return parser.get(section, name, fallback="").strip()
