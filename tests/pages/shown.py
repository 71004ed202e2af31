"""The pages that the browser is given, made from sample documents."""

import sample

from oncall_runbook.pages import rendering

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
