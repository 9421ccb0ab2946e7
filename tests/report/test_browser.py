"""The page in a real browser: Chromium, headless, with a new profile and without a network."""

import re
import shutil
from collections.abc import Iterator

import numpy as np
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; to run this: sudo apt install chromium"),
]

FLAGS = [
    "--no-sandbox",  # root in a container has none
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
PHONE, DESKTOP = 360, 1280

# The relative luminance of a colour, and the contrast of two: WCAG 2.2.
CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const luminance = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }
  };
  const texts = "p, li, th, td, small, h1, h2, h3, figcaption, caption, pre, a, svg text";
  return [...document.querySelectorAll(texts)].map((element) => {
    const style = getComputedStyle(element);
    const ink = luminance(element instanceof SVGElement ? style.fill : style.color);
    const paper = luminance(behind(element));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    return [ratio, element.tagName + " " + element.textContent.slice(0, 30)];
  }).sort((a, b) => a[0] - b[0])[0];
}
"""

# Boxes that reach out of the page to the right, other than in a box that moves them.
CUT = """
() => [...document.querySelectorAll("body *")].filter((element) => {
  if (element.closest("svg") !== null && element.tagName !== "svg") return false;
  if (element.closest(".scroll, .wide .pictures, pre") && !element.matches(".scroll, .pictures, pre")) return false;
  return element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5;
}).map((element) => element.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A browser with a profile of its own that is gone afterwards (Playwright makes a new one for each launch)."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is missing; it is in the extra: dev")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


PAGES = ["run_page", "dataset_page", "sweep_page"]


@pytest.fixture(scope="module")
def address_of(request, tmp_path_factory):
    """Where a page is, with its script or without."""

    def written(which, *, script=True):
        html = request.getfixturevalue(which)
        file = tmp_path_factory.mktemp("page") / "report.html"
        file.write_text(html if script else re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL), "utf-8")
        return file.as_uri()

    return written


@pytest.fixture(
    scope="module", params=[PAGES[0], *(pytest.param(page, marks=pytest.mark.lengthy) for page in PAGES[1:])]
)
def address(request, address_of) -> str:
    return address_of(request.param)


@pytest.fixture
def visit(browser):
    """Open a page at a width and in a colour scheme; it must ask for nothing else and complain of nothing."""
    contexts = []

    def opened(address, width, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        contexts.append(context)
        seen = context.new_page()
        said, asked = [], []
        seen.on("console", lambda message: said.append(message.text))
        seen.on("pageerror", lambda error: said.append(str(error)))
        seen.on("request", lambda request: asked.append(request.url))
        seen.goto(address)
        seen.wait_for_load_state("networkidle")
        assert (said, asked) == ([], [address])
        return seen

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def look(visit, address):
    return lambda width, scheme: visit(address, width, scheme)


@pytest.fixture
def seen(visit, address_of):
    """The page of a run on a desktop."""
    return visit(address_of("run_page"), DESKTOP)


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_nothing_reaches_out_of_the_page(look, width):
    seen = look(width, "light")
    assert seen.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.evaluate(CUT) == []


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_asks_for(look, scheme):
    ratio, where = look(DESKTOP, scheme).evaluate(CONTRAST)
    assert ratio >= 4.5, where


@pytest.mark.long
def test_light_and_dark_differ_in_page_and_drawings(look):
    ink = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('svg text')).fill]"
    light, dark = (look(DESKTOP, scheme).evaluate(ink) for scheme in ("light", "dark"))
    assert light == ["rgb(255, 255, 255)", "rgb(28, 32, 36)"]
    assert all(a != b for a, b in zip(light, dark, strict=True))


@pytest.mark.long
def test_text_in_drawings_is_legible_on_a_phone(look):
    """No glyph box lower than 8 CSS pixels: what is drawn smaller scrolls instead."""
    heights = "[...document.querySelectorAll('svg text')].map(text => text.getBoundingClientRect().height)"
    assert min(look(PHONE, "light").evaluate(heights)) >= 8


@pytest.mark.long
def test_print_is_light_and_nothing_is_cut_at_the_side(look):
    seen = look(DESKTOP, "dark")
    seen.emulate_media(media="print", color_scheme="dark")
    seen.set_viewport_size({"width": 695, "height": 1000})  # A4 without its margins, in CSS pixels
    assert seen.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--paper')") == "#ffffff"
    assert seen.evaluate("document.documentElement.scrollWidth") <= 695
    wide = "[...document.querySelectorAll('table, svg, pre')].filter(box => box.getBoundingClientRect().right > 695.5)"
    assert seen.evaluate(f"{wide}.length") == 0
    assert seen.pdf(prefer_css_page_size=True).startswith(b"%PDF")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("which", PAGES)
def test_axe_finds_no_violation(visit, address_of, which, width, script):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing; it is in the extra: dev")
    seen = visit(address_of(which, script=script), width)
    if script:
        seen.click(".controls summary")
    results = axe.Axe().run(seen)
    assert len(results.response["passes"]) > 20
    assert [violation["id"] for violation in results.response["violations"]] == []


@pytest.mark.long
def test_without_script_everything_is_there_but_what_needs_it(visit, address_of):
    seen = visit(address_of("run_page", script=False), DESKTOP)
    assert not seen.is_visible(".controls")
    assert seen.evaluate("[...document.querySelectorAll('main section, figure, table')].every(box => box.offsetHeight)")


def test_the_values_at_the_pointer_are_those_of_the_ledger(seen, one_run):
    drawing = seen.locator("#latency ~ figure .picture svg").first
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    seen.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"])
    at, *rows = seen.locator(".reading > *").all_inner_texts()
    milliseconds = float(at.removesuffix(" ms"))
    shares = {arm: float(share) for share, arm in (row.split(" %\u2002") for row in rows)}
    assert set(shares) == set(one_run.video_by_arm())
    for arm, frames in one_run.video_by_arm().items():
        around = [100 * np.mean(frames["g2g_ms"] <= milliseconds * (1 + off)) for off in (-0.01, 0.01)]
        assert around[0] - 0.5 <= shares[arm] <= around[1] + 0.5


@pytest.mark.long
def test_an_arm_can_be_left_out_of_all_pictures_and_come_back(seen, one_run):
    drawings = seen.locator("svg [data-series='rtp'][data-arm], .picture[data-arm] h3:has-text('rtp')")
    whole = drawings.count()
    assert whole >= 5 and sum(drawing.is_visible() for drawing in drawings.all()) == whole
    seen.click(".controls summary")
    seen.locator(".controls label", has_text="rtp").click()
    assert not any(drawing.is_visible() for drawing in drawings.all())
    assert seen.locator(".picture h3:has-text('udp')").first.is_visible()
    seen.click("[data-choose=all]")
    assert sum(drawing.is_visible() for drawing in drawings.all()) == whole


def test_the_pictures_over_time_show_the_deepest_fade_or_the_seconds_that_are_dragged_over(seen, one_run):
    ends = "[...document.querySelectorAll('[data-end]')].map(input => Number(input.value))"
    assert seen.evaluate(ends) == pytest.approx([0, 1.98], abs=0.05)
    seen.click(".controls summary")
    seen.click("text=The deepest fade")
    start, end = seen.evaluate(ends)
    capacity = one_run.capacity().query("0 <= at < 2")
    deepest = capacity["at"][capacity["mbps"].rolling(5).mean().idxmin()] - 0.2  # the middle of half a second
    assert 0 < end - start < 2 and start < deepest < end
    marks = (
        "[...document.querySelectorAll('.wide [data-panel]')].map(panel => panel.querySelectorAll('text.tick').length)"
    )
    assert min(seen.evaluate(marks)) >= 2
    seen.click("text=The whole run")
    assert max(seen.evaluate(marks)) == 0
    seen.click(".controls summary")
    drawing = seen.locator(".wide .picture svg").nth(1)
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    seen.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 20)
    seen.mouse.down()
    seen.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    seen.mouse.up()
    start, end = seen.evaluate(ends)
    assert 0.3 < start < 0.6 and 0.7 < end < 1.1
