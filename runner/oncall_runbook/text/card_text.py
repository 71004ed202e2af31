"""Cards as text for people: one line each, or one in full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from oncall_runbook.templates.environment import template_environment
from oncall_runbook.text.output import say
from oncall_runbook.text.report import console
from oncall_runbook.text.words import word

if TYPE_CHECKING:
    from oncall_runbook.documents import CardDocument, CardProbe


Condition = Literal["independent_when", "silence_seconds", "until"]


def show_list(cards: list[CardDocument]) -> None:
    """Print one line for each card: severity, name, title."""
    screen = console()
    width = max((len(card["incident"]) for card in cards), default=0)
    for card in cards:
        name = f"  {card['incident']:<{width}}  "
        screen.print(Text.assemble(word(str(card["severity"])), name, str(card["title"])))


def show_card(card: CardDocument) -> None:
    """Print all of a card."""
    screen = console()
    for text in _lines(card):
        screen.print(text)


def show_page(card: CardDocument) -> None:
    """Print all of a card as a page of Markdown."""
    say(page(card), nl=False)


def page(card: CardDocument) -> str:
    """Return all of a card as a page of Markdown, from `templates/card.md.j2`."""
    environment = template_environment()
    environment.filters["line"] = _line
    environment.filters["cell"] = lambda value: _line(value).replace("|", "\\|")
    return environment.get_template("card.md.j2").render(card=card)


def _line(value: object) -> str:
    return " ".join(str(value).split())


def _lines(card: CardDocument) -> Iterator[RenderableType]:
    title = (str(card.get("title")), "bold")
    yield Text.assemble(title, " ", word(str(card.get("severity"))), f" ({card['incident']})")
    if part := card.get("part"):
        yield Text(f"not applicable where the stack has no {part}", "dim")
    yield from _section("Symptoms", _texts(card, "symptoms"))
    yield from _section("Explains", _explains(card))
    yield from _section("Asked of the host", _probes(card))
    yield from _section("Confirmed when", [Text(str(card.get("confirmed")).strip())])
    yield from _section("Ladder, least invasive first", _ladder(card))
    yield from _section("Explained by nothing else when", _condition(card, "independent_when"))
    yield from _section(
        "Gone after so many seconds of silence", _condition(card, "silence_seconds")
    )
    yield from _section("Climbed until", _condition(card, "until"))
    yield from _section("Kept as evidence", _evidence(card))
    yield from _section("Inputs", _inputs(card))
    yield from _section("For people, afterwards", _texts(card, "checklist"))
    limits = _line(card.get("limits") or "")
    yield from _section("Limits", [Text(limits)] if limits else [])


def _section(title: str, items: list[Text]) -> Iterator[RenderableType]:
    if items:
        yield Text()
        yield Text(title, "bold")
    for item in items:
        yield Padding(item, (0, 0, 0, 2), expand=False)


def _texts(card: CardDocument, key: Literal["symptoms", "checklist"]) -> list[Text]:
    return [Text(str(item)) for item in card.get(key) or []]


def _condition(card: CardDocument, key: Condition) -> list[Text]:
    return [Text(_line(card[key]))] if card.get(key) else []


def _explains(card: CardDocument) -> list[Text]:
    conditions = card.get("explains_when") or {}
    return [
        _entry(name, "", f"when {conditions[name]}") if name in conditions else Text(str(name))
        for name in card.get("explains") or []
    ]


def _entry(name: object, title: object, note: str) -> Text:
    under = ("\n  " + _line(note), "dim") if note else ""
    return Text.assemble((str(name), "cyan"), f": {title}" if title != "" else "", under)


def _probes(card: CardDocument) -> list[Text]:
    return [
        _entry(
            probe.get("id"),
            probe.get("title", ""),
            " ".join(_how(probe)),
        )
        for probe in card["probes"]
    ]


def _how(probe: CardProbe) -> Iterator[str]:
    if probe.get("of"):
        yield f"from {probe['of']};"
    if probe.get("unit"):
        yield f"in {probe['unit']};"
    if probe.get("healthy"):
        yield f"healthy when {probe['healthy']}"


def _ladder(card: CardDocument) -> list[Text]:
    return [
        _entry(
            f"{number}. {rung.get('rung')}",
            f"{rung.get('title', '')} [{rung.get('risk', '')}]",
            ", ".join(f"{word} {rung[word]}" for word in ("costs", "when") if rung.get(word)),
        )
        for number, rung in enumerate(card.get("ladder") or [], 1)
    ]


def _evidence(card: CardDocument) -> list[Text]:
    return [_entry(kept["id"], kept.get("title", ""), "") for kept in card.get("evidence") or []]


def _inputs(card: CardDocument) -> list[Text]:
    return [_entry(item["name"], item["default"], item["help"]) for item in card["inputs"]]
