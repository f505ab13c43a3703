# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The flame graph in a real browser: what a reader clicks, types and sees."""

import re
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<script>alert(\"'1'\")</script>]]>&amp;_[31m (/srv/<b>.py:1)"


@pytest.fixture(scope="module")
def sample_svg(render_sample):
    path = render_sample.parent / "sample.svg"
    path.write_bytes(subprocess.check_output([render_sample, "svg", "inuse_space"]))
    return path


@pytest.fixture(scope="module")
def diff_svg(render_sample):
    folder = render_sample.parent
    before, after, path = folder / "before.pb.gz", folder / "after.pb.gz", folder / "diff.svg"
    before.write_bytes(subprocess.check_output([render_sample, "pprof", "inuse_space"]))
    after.write_bytes(subprocess.check_output([render_sample, "pprof", "inuse_space", "later"]))
    subprocess.check_call([ROOT / "build/linger", "report", "--diff", before, after, "-o", path])
    return path


@pytest.fixture
def page(browser, sample_svg):
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(sample_svg.as_uri())
    return browser


@pytest.fixture
def diff_page(browser, diff_svg):
    browser.get_log("browser")
    browser.get(diff_svg.as_uri())
    return browser


def frames(page, name):
    """The <g> elements of all frames of this name; the script keeps the text of labels only, so by label."""
    return page.execute_script(
        """return Array.from(document.querySelectorAll('.f')).filter(
               (frame) => (frame.querySelector('text') || {textContent: ''}).textContent.startsWith(arguments[0]))""",
        name,
    )


def frame(page, name, graph=0):
    """The frame of this name in one graph: 0 is object, 1 is mapping."""
    found = [
        element
        for element in frames(page, name)
        if page.execute_script(
            "return Array.from(document.querySelectorAll('.graph')).indexOf(arguments[0].closest('.graph'))", element
        )
        == graph
    ]
    assert found, f"no frame {name} in graph {graph}"
    return found[0]


def width(element):
    return float(element.find_element(By.TAG_NAME, "rect").get_attribute("width"))


def top(element):
    return float(element.find_element(By.TAG_NAME, "rect").get_attribute("y"))


def search_box(page):
    return page.find_element(By.CSS_SELECTOR, ".bar input")


def search(page, text):
    """As a reader does it; chromedriver's own send_keys and clear need an HTML document."""
    search_box(page).click()
    ActionChains(page).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(text).perform()
    assert search_box(page).get_attribute("value") == text


def button(page, text):
    return next(b for b in page.find_elements(By.CSS_SELECTOR, ".bar button") if b.text == text)


def matched(page):
    return [element.text for element in page.find_elements(By.CSS_SELECTOR, ".matched")]


def hits(page):
    return len(page.find_elements(By.CSS_SELECTOR, ".hit"))


def tip(page, element):
    ActionChains(page).move_to_element(element.find_element(By.TAG_NAME, "rect")).perform()
    return page.find_element(By.CSS_SELECTOR, ".tip").text.split("\n")


def full_width(page):
    return page.execute_script("return document.documentElement.getBoundingClientRect().width") - 20


def test_loads_without_network_or_errors(page, sample_svg):
    requests = [
        re.search(r'"url":"([^"]*)"', entry["message"]).group(1)
        for entry in page.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert requests == [sample_svg.as_uri()]
    assert page.get_log("browser") == []


def test_frames_are_drawn_by_share(page):
    # 9 of object, without [unknown], which has 0.005 % of it; 5 of mapping.
    assert len(page.find_elements(By.CSS_SELECTOR, ".f")) == 14
    assert width(frame(page, "[object]")) == pytest.approx(full_width(page) - 0.5, abs=0.2)
    assert width(frame(page, "Cache.put")) == pytest.approx(full_width(page) * 0.4 - 0.5, abs=0.2)
    assert width(frame(page, "Cache.put", graph=1)) == pytest.approx(full_width(page) * 0.8 - 0.5, abs=0.2)
    remarks = [element.text for element in page.find_elements(By.CSS_SELECTOR, ".remark")]
    assert "Not drawn: 1 frame below 0.01 % of the domain; the callers' widths include them." in remarks
    assert "coverage: 99.3 % of the target's allocations (census before and after)" in remarks


def test_click_zooms_and_reset_returns(page):
    cache = frame(page, "Cache.put")
    before = width(cache)
    beside = frame(page, "loads")
    cache.click()
    assert width(cache) == pytest.approx(full_width(page) - 0.5, abs=0.2)
    assert not beside.is_displayed()
    assert "above" in frame(page, "[object]").get_attribute("class")
    assert width(frame(page, "Cache.put", graph=1)) == pytest.approx(full_width(page) * 0.8 - 0.5, abs=0.2)
    button(page, "Reset").click()
    assert width(cache) == before
    assert beside.is_displayed()


def test_escape_resets_zoom_and_search(page):
    cache = frame(page, "Cache.put")
    before = width(cache)
    search(page, "loads")
    cache.click()
    assert hits(page) == 1 and width(cache) > before
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    assert width(cache) == before
    assert hits(page) == 0
    assert search_box(page).get_attribute("value") == ""


def test_search_highlights_and_sums_once(page):
    ActionChains(page).key_down(Keys.CONTROL).send_keys("f").key_up(Keys.CONTROL).perform()
    ActionChains(page).send_keys("loads|raw_decode").perform()
    assert hits(page) == 2
    assert matched(page) == ["matched: 30.00 %", "matched: 0.00 %"]
    search(page, "^CACHE\\.put ")
    assert matched(page) == ["matched: 40.00 %", "matched: 80.00 %"]


def test_search_takes_a_half_typed_expression(page):
    search(page, "loads(")
    assert "invalid" in search_box(page).get_attribute("class")
    assert hits(page) == 0
    search(page, "loads()")
    assert "invalid" not in search_box(page).get_attribute("class")
    assert hits(page) == 1


def test_hover_shows_bytes_blocks_and_share(page):
    assert tip(page, frame(page, "Cache.put")) == [
        "Cache.put (/srv/app/cache.py:17)",
        "3.8 MiB (4,000,000 bytes) in 40,000 blocks",
        "40.00 % of object by bytes allocated and still alive",
    ]


def test_invert_turns_the_graph_over(page):
    root, leaf = frame(page, "[object]"), frame(page, "raw_decode")
    assert top(root) > top(leaf) == 0
    button(page, "Invert").click()
    assert top(leaf) > top(root) == 0
    assert button(page, "Invert").get_attribute("aria-pressed") == "true"
    button(page, "Invert").click()
    assert top(root) > top(leaf) == 0


def test_width_follows_the_window(page):
    size = page.get_window_size()
    page.set_window_size(1000, 700)
    try:
        assert full_width(page) < 1000
        assert width(frame(page, "[object]")) == pytest.approx(full_width(page) - 0.5, abs=0.2)
    finally:
        page.set_window_size(size["width"], size["height"])


def test_hostile_name_stays_text(page):
    element = frame(page, "<script>")
    assert len(page.find_elements(By.TAG_NAME, "script")) == 1
    assert tip(page, element)[0] == HOSTILE
    element.click()
    assert element.find_element(By.TAG_NAME, "text").text == HOSTILE
    search(page, "<script>alert")
    assert matched(page)[0] == "matched: 10.00 %"
    assert page.get_log("browser") == []


# --- light and dark -------------------------------------------------------------------------------------------


def luminance(colour):
    channels = [int(c) / 255 for c in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """WCAG's ratio: 4.5 is legible."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def style(page, element, name):
    return page.execute_script("return getComputedStyle(arguments[0])[arguments[1]]", element, name)


def check_legible(page, scheme):
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    search(page, "loads")
    background = style(page, page.find_element(By.CSS_SELECTOR, ".page"), "fill")
    assert style(page, page.find_element(By.CSS_SELECTOR, "svg"), "backgroundColor") == background
    assert (luminance(background) < 0.1) == (scheme == "dark")
    for selector in (".title", ".heading", ".remark", ".matched"):
        text = style(page, page.find_element(By.CSS_SELECTOR, selector), "fill")
        assert contrast(text, background) >= 4.5, selector
    for label in page.find_elements(By.CSS_SELECTOR, ".f text"):
        rect = label.find_element(By.XPATH, "..").find_element(By.TAG_NAME, "rect")
        assert contrast(style(page, label, "fill"), style(page, rect, "fill")) >= 4.5, label.text
    for selector in (".bar input", ".bar button", ".tip"):
        box = page.find_element(By.CSS_SELECTOR, selector)
        assert contrast(style(page, box, "color"), style(page, box, "backgroundColor")) >= 4.5, selector


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_legible(page, scheme):
    check_legible(page, scheme)


# --- the difference of two profiles -----------------------------------------------------------------------------


def colour(page, name):
    rect = frame(page, name).find_element(By.TAG_NAME, "rect")
    return [int(c) for c in re.findall(r"\d+", style(page, rect, "fill"))[:3]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_difference_is_legible(diff_page, scheme):
    check_legible(diff_page, scheme)


@pytest.mark.parametrize("level", range(1, 7))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_colours_of_a_difference_are_legible(diff_page, scheme, level):
    diff_page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    element = frame(diff_page, "Cache.put")
    rect, text = (element.find_element(By.TAG_NAME, tag) for tag in ("rect", "text"))
    for direction in ("grown", "shrunk"):
        diff_page.execute_script("arguments[0].setAttribute('class', arguments[1])", element, f"f {direction}{level}")
        assert contrast(style(diff_page, text, "fill"), style(diff_page, rect, "fill")) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_red_grew_and_blue_shrank(diff_page, scheme):
    diff_page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    red, _, blue = colour(diff_page, "Cache.put")
    assert red > blue + 50
    red, _, blue = colour(diff_page, "raw_decode")
    assert blue > red + 20
    red, _, blue = colour(diff_page, "<script>")
    assert blue > red + 20
    red, _, blue = colour(diff_page, "\u7f13")
    assert abs(red - blue) < 20


def test_a_frame_is_as_wide_as_the_larger_of_both(diff_page):
    whole = 7000000 + 3000000 + 1000000 + 1000000 + 999500 + 500
    assert width(frame(diff_page, "Cache.put")) == pytest.approx(full_width(diff_page) * 7000000 / whole - 0.5, abs=0.2)
    assert width(frame(diff_page, "raw_decode")) == pytest.approx(
        full_width(diff_page) * 3000000 / whole - 0.5, abs=0.2
    )
    # The mapping domain did not change, and is not drawn.
    assert len(diff_page.find_elements(By.CSS_SELECTOR, ".graph")) == 1


def test_hover_shows_before_after_and_change(diff_page):
    assert tip(diff_page, frame(diff_page, "Cache.put")) == [
        "Cache.put (/srv/app/cache.py:17)",
        "before: 3.8 MiB (4,000,000 bytes) in 40,000 blocks",
        "after: 6.7 MiB (7,000,000 bytes) in 70,000 blocks",
        "change: +2.9 MiB (+3,000,000 bytes), +30,000 blocks",
    ]
    assert tip(diff_page, frame(diff_page, "raw_decode"))[3] == "change: -976.6 KiB (-1,000,000 bytes), -7,000 blocks"


def test_a_difference_zooms_searches_and_turns_over(diff_page):
    cache = frame(diff_page, "Cache.put")
    before = width(cache)
    cache.click()
    assert width(cache) == pytest.approx(full_width(diff_page) - 0.5, abs=0.2)
    search(diff_page, "loads|raw_decode")
    assert hits(diff_page) == 2
    button(diff_page, "Reset").click()
    assert width(cache) == before and hits(diff_page) == 0
    root, leaf = frame(diff_page, "[object]"), frame(diff_page, "raw_decode")
    button(diff_page, "Invert").click()
    assert top(leaf) > top(root) == 0
    assert diff_page.get_log("browser") == []
