"""A run as Markdown, as the summary of a job: root causes, counted, then hosts, folded.

What comes from hosts, inventories or cards stands in code, where nothing in it is markup, a link,
or the mention of a person or an issue.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING

from oncall_runbook.documents import with_findings
from oncall_runbook.run.verdict import rank
from oncall_runbook.text import brief
from oncall_runbook.text import report as texts
from oncall_runbook.text.words import clean, word

if TYPE_CHECKING:
    from oncall_runbook.documents import HostDocument, JudgedCard, RunDocument
    from oncall_runbook.text.brief import Group

_BYTES = 2**20 - 4096  # of a summary GitHub takes 1 MiB; the rest is for what says what is left out
_GROUPS = 50
_WORDS = re.compile(r"[^\W_]+([ ,]+[^\W_]+)*")  # these alone are no markup, link or mention


def report(run: RunDocument) -> str:
    """Return a run as Markdown that is smaller than 1 MiB, whatever it holds."""
    ill = {host: state for host, state in run["hosts"].items() if not brief.is_well(state)}
    text = "\n".join([*_head(run), *_causes(run, ill)])
    room = _BYTES - len(text.encode())
    hosts: list[str] = []
    for host in sorted(ill, key=lambda host: _gravity(ill[host])):
        told = _host(host, run)
        room -= len(told.encode())
        if room < 0:
            return f"{text}{''.join(hosts)}{_left_out(len(ill) - len(hosts), run)}"
        hosts.append(told)
    return f"{text}{''.join(hosts)}"


def _gravity(state: HostDocument) -> int:
    return rank(state["verdict"])


def _head(run: RunDocument) -> Iterator[str]:
    """Yield how many hosts are not well, how the run ended, and what it warns of."""
    hosts, what = run["hosts"], code(" ".join(filter(None, (run["command"], run["incident"]))))
    bad = sum(state["verdict"] not in brief.ENDED_WELL for state in hosts.values())
    well = f"well on {len(hosts)} host{'s' * (len(hosts) > 1)}" if hosts else "no host took part"
    yield f"## {what}: {f'{bad} of {len(hosts)} hosts are not well' if bad else well}\n"
    ended = f"exit code {run['exit_code']}" if run["exit_code"] is not None else "not ended"
    took = f", {run['seconds']:g} s" if run["seconds"] is not None else ""
    inventory = code(str(run["inventory"] or "not known"))
    yield f"Run {code(run['run'])}, inventory {inventory}: {ended}{took}.\n"
    counts = Counter(brief.verdict(state, run) for state in hosts.values())
    if len(counts) > 1:
        told = (f"{count} {word(said).plain}" for said, count in counts.most_common())
        yield f"{', '.join(told)}.\n"
    for name, common in run["common_causes"].items():
        yield f"**Common cause:** {code(brief.common(name, len(common)).plain)}\n"
    if run["error"]:
        yield f"**Error:** {code(run['error'], 1000)}\n"
    yield from (f"**Warning:** {code(warning)}\n" for warning in run["warnings"][:_GROUPS])


def _causes(run: RunDocument, ill: Mapping[str, HostDocument]) -> Iterator[str]:
    """Yield verdicts and root causes, with the number of hosts, the largest number first."""
    groups = sorted(brief.grouped(ill, run), key=_order)
    if not groups:
        return
    caused = any(group.first["root_causes"] for group in groups)
    yield f"### {'Root causes' if caused else 'In short'}\n"
    for group in groups[:_GROUPS]:
        yield "\n".join(_group(group))
    if len(groups) > _GROUPS:
        yield f"- and {len(groups) - _GROUPS} more kinds of trouble"
    yield "\n### Hosts\n\n"


def _order(group: Group) -> tuple[bool, bool]:
    return group.first["verdict"] in brief.ENDED_WELL, not group.first["root_causes"]


def _group(group: Group) -> Iterator[str]:
    known = brief.known_cards(group.first)
    named = [_card(name, known[name]) if name in known else prose(name) for name in group.about]
    said = " — ".join(filter(None, (word(group.verdict).plain, ", ".join(named))))
    yield f"- **{group.count}**: {said}  "
    yield f"  {': '.join(map(code, (brief.some_names(group.names), *group.reasons)))}"


def _card(name: str, card: JudgedCard) -> str:
    titled = f"{prose(card['title'])} ({code(name)})" if card["title"] else code(name)
    return " ".join(filter(None, (card["severity"] and prose(card["severity"]), titled)))


def _host(host: str, run: RunDocument) -> str:
    """Return a host, folded: all that is told of it, as it is told on a terminal."""
    state = with_findings(run["hosts"][host])
    alone: RunDocument = {**run, "hosts": {host: state}, "common_causes": {}}
    alone |= {"warnings": [], "error": None}
    text = "\n".join(line.plain for line in texts.lines(alone, full=True))
    fence = "`" * max(3, _longest(text) + 1)
    said = word(brief.verdict(state, run)).plain
    about = (said, *(f"<code>{escape(clean(name))}</code>" for name in brief.root_causes(state)))
    summary = f"<code>{escape(clean(host))}</code>: {', '.join(about)}"
    return (
        f"<details><summary>{summary}</summary>\n\n{fence}text\n{text}\n{fence}\n\n</details>\n\n"
    )


def _left_out(number: int, run: RunDocument) -> str:
    hosts = f"{number} more host{'s are' if number > 1 else ' is'}"
    return (
        f"**{hosts} left out here**, because of 1 MiB: {code('runbook runs show ' + run['run'])}\n"
    )


def code(text: str, limit: int = 300) -> str:
    """Return text on one line as code, in which nothing is markup."""
    line = clean(text, limit)
    fence = "`" * (_longest(line) + 1)
    edge = " " if line[:1] == "`" or line[-1:] == "`" else ""
    return f"{fence}{edge}{line}{edge}{fence}" if line else ""


def prose(text: str) -> str:
    """Return text as it is where it is words and nothing else, otherwise as code."""
    line = clean(text)
    return line if _WORDS.fullmatch(line) else code(line)


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
