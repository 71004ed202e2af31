"""A run as it travels to the machine that plays it: what is packed here, and unpacked there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from oncall_runbook import __version__
from oncall_runbook.cards import catalog
from oncall_runbook.errors import BadInputError, RunbookError
from oncall_runbook.run import inventory
from oncall_runbook.run.engine import Request
from oncall_runbook.run.variables import ExtraVars

# Events of our own beside those of ansible: what one process told of a host, a file of evidence.
TOLD = "runbook_told"
FILE = "runbook_file"
# What the worker hears, once it has the run: that somebody is there, or that it is to end. One byte
# each, so that neither ever comes in parts. Not every connection can be closed in one direction.
BEAT = b"\n"
HANG_UP = b"."
# Each end is heard of so often, and taken for gone when it was not for so long.
BEAT_SECONDS = 10
SILENT_SECONDS = 60
EVIDENCE = "evidence"
_EVIDENCE_DIR = "incident_evidence_dir"
_CARDS = "incident_cards"
_PLAN = "incident_plan"
# What Ansible and the cards look for beside an inventory.
_BESIDE = ("group_vars", "host_vars", "incidents")


@dataclass(frozen=True)
class Parcel:
    """A request as it travels: names below what is packed stand for paths, texts for files."""

    version: str
    run: str
    playbook: str
    inventory: list[str]
    inventory_plugins: str
    run_vars: dict[str, Any]
    extra_vars: list[str]
    limit: str | None
    hosts: list[str]
    forks: int | None
    tags: str | None
    verbose: int
    vault_password: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Parcel:
        """Read what another machine sent; RunbookError where that has another version."""
        if (version := data.get("version")) != __version__:
            raise RunbookError(
                f"it has oncall-runbook {__version__}, and this machine {version}: "
                "both need the same version"
            )
        return cls(**data)

    @property
    def evidence(self) -> str:
        """Where evidence is kept on the machine that the run comes from."""
        return str(self.run_vars.get(_EVIDENCE_DIR) or "")

    def request(self, private: Path, vault_password_file: Path | None) -> Request:
        """Return the request for this machine, which has what was packed in `private`."""
        here = dict(self.run_vars)
        if self.evidence:
            here[_EVIDENCE_DIR] = str(private / EVIDENCE)
        if _CARDS in here:
            here[_CARDS] = [str(private / name) for name in here[_CARDS]]
        if _PLAN in here:
            here[_PLAN] = str(private / here[_PLAN])
        return Request(
            run=self.run,
            playbook=self.playbook,
            inventory=tuple(n if "," in n else str(private / n) for n in self.inventory),
            run_vars=here,
            inventory_plugins=self.inventory_plugins,
            ssh_extra_args=inventory.ssh_extra_args(os.environ),
            extra_vars=tuple(ExtraVars(None, text, frozenset()) for text in self.extra_vars),
            limit=self.limit,
            hosts=tuple(self.hosts),
            forks=self.forks,
            tags=self.tags,
            vault_password_file=vault_password_file,
            verbose=self.verbose,
            collections=catalog.unlinked_checkout(),
        )


def pack(request: Request, place: Path) -> Parcel:
    """Copy what a request needs to the directory `place`, and return the rest of it."""
    try:
        sources = [
            source if "," in source else _packed(Path(source), place, f"inventory/{number}")
            for number, source in enumerate(request.inventory)
        ]
        run_vars = dict(request.run_vars)
        if _CARDS in run_vars:
            beside = _cards_beside(request.inventory, sources)
            run_vars[_CARDS] = [
                beside.get(Path(card)) or _packed(Path(card), place, f"cards/{number}")
                for number, card in enumerate(run_vars[_CARDS])
            ]
        if _PLAN in run_vars:
            run_vars[_PLAN] = _packed(Path(run_vars[_PLAN]), place, "plan")
        extra_vars = [
            extra.path.read_bytes().decode() if extra.path else extra.text
            for extra in request.extra_vars
        ]
    except OSError as error:
        raise BadInputError(f"what the run needs cannot be read: {_first(error)}") from error
    return Parcel(
        version=__version__,
        run=request.run,
        playbook=request.playbook,
        inventory=sources,
        inventory_plugins=request.inventory_plugins,
        run_vars=run_vars,
        extra_vars=extra_vars,
        limit=request.limit,
        hosts=list(request.hosts),
        forks=request.forks,
        tags=request.tags,
        verbose=request.verbose,
        vault_password=_vault_password(request),
    )


def _packed(source: Path, place: Path, below: str) -> str:
    """Copy a file with what belongs beside it, or a directory; return its name in `place`."""
    target = place / below / source.name
    target.parent.mkdir(parents=True)
    if source.is_dir():
        _copy_tree(source, target)
    else:
        shutil.copy2(source, target)
        for name in _BESIDE:
            if (source.parent / name).is_dir():
                _copy_tree(source.parent / name, target.parent / name)
    return str(target.relative_to(place))


def _cards_beside(sources: Sequence[str], packed: Sequence[str]) -> dict[Path, str]:
    """Return where cards beside an inventory were packed: those of two places are not the same."""
    found = {}
    for source, name in zip(sources, packed, strict=True):
        is_directory = Path(source).is_dir()
        base = Path(source).absolute() if is_directory else Path(source).absolute().parent
        below = Path(name) if is_directory else Path(name).parent
        if "," not in source and (base / "incidents").is_dir():
            found[base / "incidents"] = str(below / "incidents")
    return found


def _copy_tree(source: Path, target: Path) -> None:
    without = shutil.ignore_patterns(".git", "__pycache__")
    shutil.copytree(source, target, ignore=without, ignore_dangling_symlinks=True)


def _first(error: OSError) -> str:
    """Return the first of what `shutil` lists, or the error itself, in one line."""
    listed = error.args[0] if isinstance(error, shutil.Error) else None
    return str(listed[0][2] if listed else error).splitlines()[0]


def _vault_password(request: Request) -> str | None:
    """Return the password of the vault: what the file holds, or what it prints as a program."""
    if request.vault_password is not None:
        return request.vault_password.strip()
    if inventory.vault_identities(os.environ):
        raise BadInputError(
            "--through carries one vault password, and vault_identity_list may name several; "
            "give it as --vault-password-file"
        )
    path = request.vault_password_file or inventory.vault_password_file(os.environ)
    if path is None:
        return None
    # Late: a quarter of a second.
    errors: Any = import_module("ansible.errors")
    loader: Any = import_module("ansible.parsing.dataloader")
    vault: Any = import_module("ansible.parsing.vault")
    try:
        secret = vault.get_file_vault_secret(str(path.absolute()), loader=loader.DataLoader())
        secret.load()
    except errors.AnsibleError as error:
        raise BadInputError(f"the vault password in {path} cannot be read") from error
    return bytes(secret.bytes).decode()
