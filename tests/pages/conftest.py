"""A real browser that shows pages: headless Chromium, offline."""

import shutil

import pytest
from shown import PAGES, SUMMARIES

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Every page as a file, by its name."""
    folder = tmp_path_factory.mktemp("pages")
    pages = {**PAGES, **SUMMARIES}
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page(), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in pages}


@pytest.fixture(scope="session")
def chromium():
    """Chromium, started once."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("no chromium to look at pages with; next: tests/pages/browser", pytrace=False)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.fail("playwright is not installed; next: make setup", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def look(chromium, files):
    """Open a page as somebody would; `page.asked` and `page.complaints` tell what it did."""
    contexts = []

    def opened(name, *, scheme="light", width=1400, bypass_csp=False):
        context = chromium.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            bypass_csp=bypass_csp,
        )
        contexts.append(context)
        page = context.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(files[name].as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
