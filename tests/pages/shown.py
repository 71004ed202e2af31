"""The pages that the browser is given, made from sample documents."""

import sample
from markdown_it import MarkdownIt

from oncall_runbook.pages import rendering
from oncall_runbook.reports import writing

HOSTILE = "<script>window.broken = 1</script><img src=x onerror=broken=1>\"'&|\u202e\x1b[31m"


FREE = {
    *("text", "author", "title", "impact", "owner", "note", "subject", "error", "reason", "id"),
    *("root_cause", "evidence", "output", "unit", "path", "inventory", "host", "resolution"),
}


def hostile(value, key=None):
    """The same document, but whatever people or hosts may write in it is hostile."""
    if isinstance(value, dict):
        return {name: hostile(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [hostile(item, key) for item in value]
    return value + HOSTILE if isinstance(value, str) and key in FREE else value


PAGES = {
    "review": lambda: rendering.review_html(sample.incident()),
    "review-of-nothing": lambda: rendering.review_html(sample.nothing()),
    "review-hostile": lambda: rendering.review_html(hostile(sample.incident())),
    "run": lambda: rendering.run_html(sample.run()),
    "run-hostile": lambda: rendering.run_html(hostile(sample.run())),
    "fleet": lambda: rendering.run_html(sample.fleet(50)),
    "fleet-hostile": lambda: rendering.run_html(hostile(sample.fleet(30))),
    "overview": lambda: rendering.overview_html(sample.summaries(), sample.NOW),
    "overview-of-nothing": lambda: rendering.overview_html([], sample.NOW),
}


def summary(run):
    """The Markdown of a run as a service shows it that lets HTML through, as it folds."""
    text = writing.report("markdown", run)
    shown = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>Summary</title>{shown}"


SUMMARIES = {
    "summary": lambda: summary(sample.fleet(50)),
    "summary-hostile": lambda: summary(hostile(sample.fleet(30))),
}
