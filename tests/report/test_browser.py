"""The page in a real browser: Chromium, headless, with a new profile and without a network."""

import shutil
from collections.abc import Iterator

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
PHONE, DESKTOP = 390, 1280

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


@pytest.fixture(scope="module", params=["run_page", pytest.param("dataset_page", marks=pytest.mark.long)])
def address(request, tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(request.getfixturevalue(request.param), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def look(browser, address):
    """Open the page at a width and in a colour scheme; it must ask for nothing else and complain of nothing."""
    contexts = []

    def opened(width, scheme):
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


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_nothing_reaches_out_of_the_page(look, width):
    seen = look(width, "light")
    assert seen.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.evaluate(CUT) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_asks_for(look, scheme):
    ratio, where = look(DESKTOP, scheme).evaluate(CONTRAST)
    assert ratio >= 4.5, where


def test_light_and_dark_differ_in_page_and_drawings(look):
    ink = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('svg text')).fill]"
    light, dark = (look(DESKTOP, scheme).evaluate(ink) for scheme in ("light", "dark"))
    assert light == ["rgb(255, 255, 255)", "rgb(28, 32, 36)"]
    assert all(a != b for a, b in zip(light, dark, strict=True))


def test_text_in_drawings_is_legible_on_a_phone(look):
    """No glyph box lower than 8 CSS pixels: what is drawn smaller scrolls instead."""
    heights = "[...document.querySelectorAll('svg text')].map(text => text.getBoundingClientRect().height)"
    assert min(look(PHONE, "light").evaluate(heights)) >= 8


def test_print_is_light_and_nothing_is_cut_at_the_side(look):
    seen = look(DESKTOP, "dark")
    seen.emulate_media(media="print", color_scheme="dark")
    seen.set_viewport_size({"width": 695, "height": 1000})  # A4 without its margins, in CSS pixels
    assert seen.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--paper')") == "#ffffff"
    assert seen.evaluate("document.documentElement.scrollWidth") <= 695
    wide = "[...document.querySelectorAll('table, svg, pre')].filter(box => box.getBoundingClientRect().right > 695.5)"
    assert seen.evaluate(f"{wide}.length") == 0
    assert seen.pdf(prefer_css_page_size=True).startswith(b"%PDF")
