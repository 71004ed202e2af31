"""What the page on a run of a few hosts shows: each with all that was found and done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from oncall_runbook.documents import JUDGED
from oncall_runbook.text import brief

if TYPE_CHECKING:
    from oncall_runbook.documents import HostDocument, JudgedCard, RunDocument

_STATUSES = ("unhealthy", "unknown", "healthy", "not_applicable")


def context(run: RunDocument) -> dict[str, object]:
    """Return what the page is made from."""
    hosts = {
        name: {**host_context(host), "said": brief.verdict(host, run)}
        for name, host in run["hosts"].items()
    }
    return {"run": run, "hosts": hosts}


def host_context(host: HostDocument) -> dict[str, object]:
    """Return what a run says of a host, in the order in which a page tells it."""
    findings, diagnosis = host["findings"], host["diagnosis"] or {}
    before = diagnosis["incidents"]
    known = {**before, **host["incidents"]}
    return {
        **host,
        "before": _causes(diagnosis["root_causes"], before),
        "now": _causes(host["root_causes"], known),
        "unjudged": [card for card in host["incidents"].values() if card["confirmed"] is None],
        "groups": {s: [(n, f) for n, f in findings.items() if f["status"] == s] for s in _STATUSES},
    }


def _causes(roots: Iterable[str], judged: Mapping[str, JudgedCard]) -> list[dict[str, object]]:
    """Return each root cause with the confirmed incidents that it explains."""
    return [
        {
            **(judged.get(root) or JUDGED),
            "name": root,
            "explains": [
                card["title"] or name
                for name, card in judged.items()
                if card["confirmed"] and root in card["explained_by"]
            ],
        }
        for root in roots
    ]
