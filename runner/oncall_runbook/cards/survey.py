"""The inputs of an incident as a survey of AWX: what it asks before a job of its playbook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from oncall_runbook.cards import catalog

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts, SurveyDocument, SurveyQuestion

Type = Literal["text", "integer", "float", "multiplechoice"]
# An answer is one word of one of these types: lists and mappings stay in the inventory.
_TYPES: Mapping[str, Type] = {
    "str": "text",
    "path": "text",
    "int": "integer",
    "float": "float",
    "bool": "multiplechoice",
}
# Of every incident, besides its own: how far a remediation may go, and whether a job is red.
_OF_ALL = ("incident_allow", "incident_present_fails")


def survey(known: catalog.Catalog, name: str) -> SurveyDocument:
    """Return the survey of the incident ``name``, as AWX's `survey_spec` takes it.

    Inputs whose default is an expression are left out: an answer would stand for it.
    """
    card = known.card(name)
    general = catalog.role_options("incident")
    own = {f"{name}_{key}": option for key, option in (card.get("inputs") or {}).items()}
    options = {**{key: general[key] for key in _OF_ALL}, **own}
    return {
        "name": str(card.get("title") or name),
        "description": f"Inputs of oncall.runbook.{name}",
        "spec": [_question(key, option) for key, option in options.items() if _is_asked(option)],
    }


def _is_asked(option: Facts) -> bool:
    return option.get("type", "str") in _TYPES and "{{" not in str(option.get("default"))


def _question(variable: str, option: Facts) -> SurveyQuestion:
    kind = _TYPES[option.get("type", "str")]
    choices = ["true", "false"] if option.get("type") == "bool" else option.get("choices", [])
    return {
        "variable": variable,
        "question_name": variable,
        "question_description": " ".join(str(option.get("description", "")).split()),
        "type": "multiplechoice" if choices else kind,
        "choices": [str(choice) for choice in choices],
        "default": _default(option.get("default"), kind),
        "required": False,
        "min": None,
        "max": None,
    }


def _default(value: Any, kind: Type) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return int(value) if kind == "integer" else float(value) if kind == "float" else str(value)
