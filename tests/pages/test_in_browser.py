"""What people get to see: every page in a real browser, light and dark, wide and narrow."""

import pytest
import sample
from axe_playwright_python.sync_playwright import Axe
from shown import HOSTILE, PAGES

every_page = pytest.mark.parametrize("name", PAGES)
both_schemes = pytest.mark.parametrize("scheme", ["light", "dark"])
both_widths = pytest.mark.parametrize("width", [1400, 360])

# Text or a sign before it, and the colour it stands on; a number inside a mark stands on the mark.
CONTRASTS = """() => {
  const channels = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => channels(c).slice(0, 3).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (channels(c)[3] !== 0) return c;
    }
    return 'rgb(255, 255, 255)';
  };
  const seen = {};
  const note = (front, back) => {
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    seen[`${front} on ${back}`] = (a + .05) / (b + .05);
  };
  for (const e of document.querySelectorAll('body *')) {
    const sign = getComputedStyle(e, '::before');
    if (sign.content.length > 2 && sign.content !== 'none') {
      const own = channels(sign.backgroundColor)[3] !== 0;
      note(sign.color, own ? sign.backgroundColor : ground(e));
    }
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || ['title', 'desc'].includes(e.tagName)) continue;
    const style = getComputedStyle(e), svg = e instanceof SVGElement;
    const front = svg ? style.fill : style.color;
    const mark = e.classList.contains('count') && e.previousElementSibling;
    const back = mark ? getComputedStyle(mark).fill : ground(e);
    note(front, back);
  }
  return seen;
}"""

WRITINGS = """() => [...document.querySelectorAll('svg.chart text')]
  .filter(e => getComputedStyle(e).display !== 'none')
  .map(e => [e.textContent, e.getBoundingClientRect().toJSON(), e.getAttribute('class')])"""


@every_page
@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 360)])
def test_axe_finds_nothing_to_mend(look, name, scheme, width):
    page = look(name, scheme=scheme, width=width, bypass_csp=True)
    found = Axe().run(page).response
    assert [f"{v['id']}: {v['nodes'][0]['html']}" for v in found["violations"]] == []
    assert len(found["passes"]) > 15


@every_page
@both_schemes
def test_everything_written_can_be_read(look, name, scheme):
    seen = look(name, scheme=scheme).evaluate(CONTRASTS)
    assert len(seen) > 1
    assert {pair: ratio for pair, ratio in seen.items() if ratio < 4.5} == {}


@every_page
def test_a_page_asks_for_nothing_and_complains_of_nothing(look, files, name):
    page = look(name)
    assert page.asked == [files[name].as_uri()]
    assert page.complaints == []


@every_page
@both_widths
def test_a_page_is_as_wide_as_its_window(look, name, width):
    page = look(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("name", ["review-hostile", "run-hostile", "fleet-hostile"])
def test_hostile_text_is_shown_and_does_nothing(look, name):
    page = look(name, bypass_csp=True)
    assert page.evaluate("window.broken") is None
    assert page.locator("script, img, iframe, object, link").count() == 0
    shown = page.locator("body").inner_text()
    assert HOSTILE.removesuffix("\u202e\x1b[31m") in shown
    assert not set(shown) & {"\u202e", "\x1b"}


def test_a_summary_of_a_job_shows_each_host_that_is_not_well_folded(look):
    page = look("summary")
    hosts = sample.fleet(50)["hosts"].items()
    told = {name for name, host in hosts if host["verdict"] != "healthy" or host.get("uncovered")}
    folded = page.locator("details")
    assert set(folded.locator("summary code:first-child").all_inner_texts()) == told
    assert [folded.nth(0).locator("summary").is_visible(), *page.complaints] == [True]
    assert not folded.nth(0).locator("p, pre, ul, table").first.is_visible()
    folded.nth(0).locator("summary").click()
    assert folded.nth(0).locator("p, pre, ul, table").first.is_visible()


def test_hostile_text_in_a_summary_is_shown_and_does_nothing(look):
    page = look("summary-hostile", bypass_csp=True)
    assert page.evaluate("window.broken") is None
    assert page.locator("script, img, iframe, object, link, a").count() == 0
    assert HOSTILE.removesuffix("\u202e\x1b[31m") in page.locator("body").inner_text()
    assert len(page.asked) == 1


def test_a_script_would_not_run_even_if_one_came_in(look):
    page = look("review")
    page.evaluate(
        "document.body.appendChild(document.createElement('script')).text = 'window.broken = 1'"
    )
    assert page.evaluate("window.broken") is None
    assert "Content Security Policy" in page.complaints[0]


def test_a_page_is_dark_where_people_want_it_dark(look):
    ground = "getComputedStyle(document.body).backgroundColor"
    assert look("review", scheme="light").evaluate(ground) == "rgb(255, 255, 255)"
    assert look("review", scheme="dark").evaluate(ground) == "rgb(20, 23, 26)"


def test_paper_is_white_and_has_no_links_to_click(look):
    page = look("review", scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert not page.get_by_role("navigation").is_visible()
    assert page.get_by_role("heading", name="Nobody can log in").is_visible()


@pytest.mark.parametrize("name", ["review", "overview"])
@both_widths
def test_the_writing_of_a_chart_stays_in_the_window_and_apart(look, name, width):
    written = look(name, width=width).evaluate(WRITINGS)
    assert len(written) > 8
    assert [t for t, box, _ in written if box["left"] < 0 or box["right"] > width] == []
    apart = [(t, box) for t, box, kind in written if kind != "count"]
    assert [(a, b) for i, (a, x) in enumerate(apart) for b, y in apart[:i] if _touch(x, y)] == []


def _touch(a, b):
    return (
        min(a["right"], b["right"]) - max(a["left"], b["left"]) > 1
        and min(a["bottom"], b["bottom"]) - max(a["top"], b["top"]) > 3
    )


def test_charts_are_pictures_with_a_name_and_a_description(look):
    page = look("review")
    picture = page.get_by_role("img", name="The incident over time")
    assert picture.count() == 1
    described = picture.locator("desc").first.text_content()
    assert described == (
        "Began 03:10, Detected 03:11, Opened 03:11, Acknowledged 03:13, Mitigated 03:34, "
        "Resolved 03:50. Runs and findings: 13; Rungs: 3; Escalation and messages: 7; People: 8."
    )


def test_a_mark_tells_what_it_stands_for_and_trouble_has_another_shape(look):
    page = look("review")
    marks = page.locator("svg.mark")
    told = [mark.locator("title").text_content() for mark in marks.all()]
    failed = told.index("03:14:48 End sessions left idle in transaction")
    held = told.index("03:34:18 Restart the API, so that its pool is made anew")
    assert marks.nth(failed).locator("path.trouble").count() == 1
    assert marks.nth(held).locator("circle.ordinary").count() == 1


def test_the_contents_lead_to_every_part(look):
    page = look("review")
    links = page.get_by_role("navigation").get_by_role("link").all()
    assert [link.inner_text() for link in links][:3] == ["1 Timeline", "2 Root cause", "3 Impact"]
    for link in links:
        target = page.locator(link.get_attribute("href"))
        assert target.inner_text().startswith(link.inner_text())


def test_a_page_can_be_read_by_keyboard_where_it_is_wider_than_the_window(look):
    page = look("overview", width=360)
    table = page.get_by_role("group", name="Open incidents, overdue ones first")
    table.focus()
    assert table.evaluate("e => e === document.activeElement && e.scrollWidth > e.clientWidth")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("e => e.scrollLeft > 0", arg=table.element_handle())


def shown_hosts(page):
    return page.locator("tr.f:visible, .names li:visible").count()


def test_a_fleet_is_filtered_by_keyboard_and_without_a_script(look):
    page = look("fleet")
    page.locator(".names").evaluate("e => e.closest('details').open = true")
    assert shown_hosts(page) == 50
    page.get_by_role("radio", name="any").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="Healthy 28").is_checked()
    assert shown_hosts(page) == 28
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="Disk space full 9").is_checked()
    assert shown_hosts(page) == 0
    assert page.get_by_text("No host has this verdict and this root cause.").is_visible()
    page.get_by_role("radio", name="any").first.check()
    assert shown_hosts(page) == 9
    assert not page.get_by_text("No host has this verdict").is_visible()
    assert page.locator(".one:visible").count() == 9


def test_a_cell_of_the_map_is_a_sign_and_a_word_and_no_colour_alone(look):
    page = look("fleet")
    signs = "e => [e.textContent, getComputedStyle(e, '::before').content.split(' / ')[0]]"
    told = dict(cell.evaluate(signs) for cell in page.locator("td[class^=is-]").all())
    assert told == {
        **{"cause": '"◆"', "yes": '"●"', "unknown": '"?"', "gone": '"✓"', "no": '"·"'},
        "n/a": '"\u2013"',
    }
    assert page.get_by_role("cell", name="cause", exact=True).count() == 15


def test_a_host_of_the_map_leads_to_all_that_is_told_of_it(look):
    page = look("fleet")
    told = page.get_by_role("group", name="What is wrong on web011.site-c")
    assert not told.is_visible()
    page.get_by_role("link", name="web011.site-c").click()
    assert told.is_visible()


def test_paper_shows_what_a_fleet_is_filtered_by(look):
    page = look("fleet")
    page.get_by_role("radio", name="Incident 13").check()
    page.emulate_media(media="print")
    assert page.locator(".filter label:visible").all_inner_texts() == ["Incident\n13", "any\n50"]
