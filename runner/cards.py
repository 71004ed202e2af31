"""Cards as text for people: one line each, or one in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from runner.report import console, word


def show_list(cards: list[dict[str, Any]]) -> None:
    """Print one line for each card: severity, name, title."""
    screen = console()
    width = max((len(card["incident"]) for card in cards), default=0)
    for card in cards:
        name = f"  {card['incident']:<{width}}  "
        screen.print(Text.assemble(word(str(card["severity"])), name, str(card["title"])))


def show_card(card: Mapping[str, Any]) -> None:
    """Print all of a card."""
    screen = console()
    for text in _lines(card):
        screen.print(text)


def _lines(card: Mapping[str, Any]) -> Iterator[RenderableType]:
    title = (str(card.get("title")), "bold")
    yield Text.assemble(title, " ", word(str(card.get("severity"))), f" ({card['incident']})")
    yield from _section("Symptoms", _texts(card, "symptoms"))
    yield from _section("Explains", _texts(card, "explains"))
    yield from _section("Asked of the host", _probes(card))
    yield from _section("Confirmed when", [Text(str(card.get("confirmed")).strip())])
    yield from _section("Ladder, least invasive first", _ladder(card))
    yield from _section("Inputs", _inputs(card))
    yield from _section("For people, afterwards", _texts(card, "checklist"))
    limits = " ".join(str(card.get("limits") or "").split())
    yield from _section("Limits", [Text(limits)] if limits else [])


def _section(title: str, items: list[Text]) -> Iterator[RenderableType]:
    if items:
        yield Text()
        yield Text(title, "bold")
    for item in items:
        yield Padding(item, (0, 0, 0, 2), expand=False)


def _texts(card: Mapping[str, Any], key: str) -> list[Text]:
    return [Text(str(item)) for item in card.get(key) or []]


def _entry(name: object, title: object, note: str) -> Text:
    under = ("\n  " + " ".join(note.split()), "dim") if note else ""
    return Text.assemble((str(name), "cyan"), f": {title}", under)


def _probes(card: Mapping[str, Any]) -> list[Text]:
    return [
        _entry(
            probe.get("id"),
            probe.get("title", ""),
            f"healthy when {probe['healthy']}" if probe.get("healthy") else "",
        )
        for probe in card["probes"]
    ]


def _ladder(card: Mapping[str, Any]) -> list[Text]:
    return [
        _entry(
            f"{number}. {rung.get('rung')}",
            f"{rung.get('title', '')} [{rung.get('risk', '')}]",
            f"when {rung['when']}" if rung.get("when") else "",
        )
        for number, rung in enumerate(card.get("ladder") or [], 1)
    ]


def _inputs(card: Mapping[str, Any]) -> list[Text]:
    return [_entry(item["name"], item["default"], item["help"]) for item in card["inputs"]]
