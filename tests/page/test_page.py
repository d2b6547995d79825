"""The page at `/` in a real Chromium: what it shows, asks and says, for every kind of rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser
View = Callable[..., Page]
KINDS = ["table", "old", "image", "text", "series", "forecast"]
ASKED = "**/v1/models/*:predict"
REASONS = {
    "prediction": "over", "of": "over", "scale": "probability", "base": 0.5, "value": 0.9,
    "contributions": [
        {"column": "age", "value": 61, "contribution": 0.5, "standard_error": 0.01},
        {"column": "city", "value": "Rome", "contribution": -0.1, "standard_error": None},
    ],
}  # fmt: skip


def answered(page: Page) -> None:
    """Ask, and wait for the answer."""
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#answer output")).to_be_visible()


def sent(page: Page) -> dict[str, Any]:
    """Ask, and return the row that was sent."""
    with page.expect_request(ASKED) as asked:
        answered(page)
    row: dict[str, Any] = json.loads(asked.value.post_data or "")["instances"][0]
    return row


def instead(page: Page, pattern: str, status: int, body: Any, **headers: str) -> None:
    """Answer what matches a pattern in the server's place."""

    def fulfil(route: Route) -> None:
        route.fulfill(status=status, body=json.dumps(body), headers={"content-type": "application/json", **headers})

    page.route(pattern, fulfil)


def test_the_example_is_filled_in_and_an_answer_shows_how_probable_each_class_is(view: View, live: Any) -> None:
    page = view(f"{live.url}#table")
    expect(page.get_by_label("age", exact=True)).not_to_have_value("")
    expect(page.locator("#source")).to_have_text("Row 1 of 3 from the training data.")
    answered(page)
    expect(page.locator("#answer output")).to_have_text("over")
    bars = page.get_by_role("list", name="Probability of each class").get_by_role("listitem")
    assert [bar.split("\n")[0] for bar in bars.all_inner_texts()] == ["over", "under"]
    assert page.evaluate("document.querySelector('.bars .fill').getBoundingClientRect().width") > 50


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("width", [400, 1400])
def test_every_kind_of_rows_is_asked_and_answered_at_any_width(view: View, live: Any, name: str, width: int) -> None:
    page = view(f"{live.url}#{name}", viewport={"width": width, "height": 800})
    answered(page)
    expect(page.locator("#form-error")).to_be_hidden()
    expect(page.locator("#answer .meta")).to_contain_text(re.compile("version [12]"))  # 2 is a canary for some keys
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.locator("#answer-title")).to_be_in_viewport()


@pytest.mark.parametrize("name", KINDS)
def test_every_field_has_a_name_for_those_who_do_not_see_it(view: View, live: Any, name: str) -> None:
    page = view(f"{live.url}#{name}")
    expect(page.locator("#model")).to_be_visible()
    nameless = "all => all.filter(one => !one.labels?.length && !one.ariaLabel).map(one => one.outerHTML)"
    assert page.locator("input, select, textarea").evaluate_all(nameless) == []


def test_the_card_tells_what_the_model_is_and_how_good(view: View, live: Any) -> None:
    page = view(f"{live.url}#table")
    expect(page.locator("#lead")).to_have_text("Predicts y (over, under) from 5 columns.")
    expect(page.locator("#facts")).to_contain_text("0.9123")
    expect(page.locator("#facts")).to_contain_text("0.88 to 0.94, on 60 test rows")
    card = page.locator("#card")
    for text in ("decision_tree-00", "scikit-learn", "tiny-1", "log_loss"):
        expect(card).to_contain_text(text)


def test_each_version_is_shown_with_its_role(view: View, live: Any) -> None:
    page = view(f"{live.url}#table")
    expect(page.get_by_role("list", name="Versions").get_by_role("listitem")).to_have_text(
        [
            "version 1 champion",
            "version 2 canary, answers 10 % of the keys",
            "version 3 shadow, watches and never answers",
        ]
    )


def test_another_model_is_chosen_at_the_top(view: View, live: Any) -> None:
    page = view(live.url)
    page.get_by_label("Model", exact=True).select_option("text")
    expect(page.get_by_role("heading", level=1)).to_have_text("text")
    expect(page.get_by_label("said")).to_have_value("it was silly and awful , film 0")
    assert page.url.endswith("#text")


def test_a_model_packed_without_rows_is_shown_with_typical_values(view: View, live: Any) -> None:
    page = view(f"{live.url}#old")
    expect(page.locator("#source")).to_contain_text("Typical values")
    answered(page)
    assert float(page.locator("#answer output").inner_text()) == pytest.approx(0, abs=3)


def test_an_error_stands_at_the_column_it_names(view: View, live: Any) -> None:
    page = view(f"{live.url}#table", allowed="400 (Bad Request)")
    page.get_by_label("age", exact=True).fill("old")
    page.get_by_label("joined").fill("yesterday")
    page.get_by_role("button", name="Predict").click()
    age = page.get_by_label("age", exact=True)
    expect(age).to_have_attribute("aria-invalid", "true")
    expect(age).to_be_focused()
    expect(page.locator(".field", has=age).locator(".error")).to_have_text("Found text 'old', expected numbers.")
    age.fill("61")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_label("joined")).to_have_attribute("aria-invalid", "true")
    expect(age).not_to_have_attribute("aria-invalid", "true")


def test_an_empty_field_is_sent_as_missing_and_another_value_as_it_is(view: View, live: Any) -> None:
    page = view(f"{live.url}#table")
    page.get_by_label("age", exact=True).fill("")
    page.get_by_label("member").select_option("missing")
    page.get_by_label("city", exact=True).select_option("another value …")
    page.get_by_label("another value of city").fill("Lima")
    row = sent(page)
    assert (row["age"], row["member"], row["city"]) == (None, None, "Lima")


def test_an_answer_to_other_values_than_those_of_the_form_says_so(view: View, live: Any) -> None:
    page = view(f"{live.url}#table")
    answered(page)
    expect(page.locator("#stale")).to_be_hidden()
    page.get_by_label("age", exact=True).fill("19")
    expect(page.locator("#stale")).to_be_visible()
    page.get_by_role("button", name="Another").click()
    expect(page.locator("#answer")).to_have_text("Press Predict to ask the model.")


def test_what_a_row_holds_is_shown_as_text_and_never_as_markup(view: View, live: Any) -> None:
    page = view(f"{live.url}#table")
    page.get_by_label("city", exact=True).select_option("another value …")
    page.get_by_label("another value of city").fill("<img src=x onerror=alert(1)>")
    instead(page, "**/*:explain", 200, {"explanations": [{**REASONS, "of": "<b>over</b>"}]})
    answered(page)
    expect(page.locator("#reasons")).to_contain_text("<b>over</b>")
    assert page.locator("main b").count() == 4  # of the lead and the versions alone
    assert page.locator("main img").count() == 0


@pytest.mark.parametrize("name", KINDS)
def test_the_server_s_own_reasons_are_shown_for_every_kind(view: View, live: Any, name: str) -> None:
    page = view(f"{live.url}#{name}")
    with page.expect_response("**/*:explain") as asked:
        answered(page)
    told = asked.value.json()["explanations"][0]["contributions"]
    bars = page.get_by_role("list", name="What each column added").get_by_role("listitem")
    expect(bars).to_have_count(min(len(told), 12) + (len(told) > 12))


def test_what_each_column_added_grows_to_either_side(view: View, live: Any) -> None:
    page = view(f"{live.url}#table")
    instead(page, "**/*:explain", 200, {"explanations": [REASONS]})
    answered(page)
    bars = page.get_by_role("list", name="What each column added").get_by_role("listitem")
    expect(bars).to_have_text(["age = 61+50.0", "city = Rome\N{MINUS SIGN}10.0"])
    more, less = (bars.nth(place).locator(".fill").bounding_box() for place in (0, 1))
    assert more["x"] == pytest.approx(less["x"] + less["width"], abs=1)
    assert more["width"] == pytest.approx(5 * less["width"], abs=2)


def test_words_are_shaded_by_what_they_added(view: View, live: Any) -> None:
    page = view(f"{live.url}#text")
    page.get_by_label("said").fill("  a lovely 🎬 film , so dull")
    answered(page)
    words = page.locator(".shaded mark")
    expect(words).to_have_text(["a", "lovely", "🎬", "film", ",", "so", "dull"])
    expect(page.locator(".shaded")).to_have_text("a lovely 🎬 film , so dull")
    strength = "all => all.map(one => parseInt(one.style.getPropertyValue('--strength')))"
    by_word = dict(zip(words.all_inner_texts(), words.evaluate_all(strength), strict=True))
    assert sorted(by_word, key=by_word.__getitem__)[-2:] in (["dull", "lovely"], ["lovely", "dull"])
    assert {words.nth(place).get_attribute("class") for place in (1, 6)} == {"up", "down"}


def test_patches_of_an_image_are_shaded_where_they_lie(view: View, live: Any) -> None:
    page = view(f"{live.url}#image")
    answered(page)
    picture = page.get_by_role("img", name="What each patch of the image added")
    expect(picture).to_be_visible()
    assert picture.get_attribute("viewBox") == "0 0 12 12"
    assert (
        picture.locator("rect").evaluate_all(
            "all => all.reduce((sum, r) => sum + r.getAttribute('width') * r.getAttribute('height'), 0)"
        )
        == 144
    )


def test_a_server_that_does_not_explain_still_answers(view: View, live: Any) -> None:
    page = view(f"{live.url}#table", allowed="404 (Not Found)")
    instead(page, "**/*:explain", 404, {"error": "POST …: Not Found"})
    answered(page)
    expect(page.locator("#reasons")).to_contain_text("This server does not explain answers.")


def test_a_degraded_answer_says_so(view: View, live: Any) -> None:
    page = view(f"{live.url}#table")
    answer = {
        "predictions": [{"prediction": "over", "probability_under": 0.2, "probability_over": 0.8}],
        "degraded": True,
    }
    instead(page, ASKED, 200, answer, **{"x-request-id": "r-1"})
    answered(page)
    expect(page.locator("#answer")).to_contain_text("Degraded: some members of the model did not answer in time")
    expect(page.locator("#answer .meta")).to_contain_text("request r-1")


def test_a_server_that_is_gone_is_told(view: View, live: Any) -> None:
    page = view(f"{live.url}#table", allowed="Failed to load")
    page.route(ASKED, lambda route: route.abort())
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#form-error")).to_have_text("The server did not answer. Is it still running?")


def test_an_image_file_takes_the_place_of_the_example(view: View, live: Any, tmp_path: Path) -> None:
    from models import png

    image_HW = np.zeros((12, 12), np.uint8)
    image_HW[6:] = 200
    (tmp_path / "mine.png").write_bytes(png(image_HW))
    page = view(f"{live.url}#image")
    answered(page)
    expect(page.locator("#answer output")).to_have_text("upper")
    page.get_by_label("photo").set_input_files(tmp_path / "mine.png")
    expect(page.locator(".preview")).to_have_js_property("naturalWidth", 12)
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#answer output")).to_have_text("lower")


def test_a_series_is_drawn_and_asked_about(view: View, live: Any) -> None:
    page = view(f"{live.url}#series")
    page.get_by_role("textbox", name="walk").fill(json.dumps([[step, 0] for step in range(-4, 5)]))
    expect(page.get_by_role("img", name="the series of walk, -4 to 4")).to_be_visible()
    answered(page)
    expect(page.locator("#answer output")).to_have_text("up")


def test_a_forecast_shows_each_step_beside_its_history(view: View, live: Any) -> None:
    page = view(f"{live.url}#forecast")
    answered(page)
    expect(page.get_by_role("region", name="Forecast").get_by_role("row")).to_have_count(1 + 5)
    assert page.locator("#answer polyline").count() == 2
    step = page.get_by_label("Step that is explained")
    expect(step.locator("option")).to_have_count(5)
    first = page.locator("#reasons .hint").inner_text()
    step.select_option(index=4)
    expect(page.locator("#reasons .hint")).not_to_have_text(first)
    expect(page.get_by_label("Step that is explained")).to_be_focused()


def test_a_history_that_is_not_json_is_told_before_it_is_sent(view: View, live: Any) -> None:
    page = view(f"{live.url}#forecast")
    page.get_by_role("textbox", name="History").fill("[{")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#field-0-error")).to_contain_text("The history is not JSON")


def test_the_page_is_used_by_keyboard_alone(view: View, live: Any) -> None:
    page = view(f"{live.url}#table")
    expect(page.locator("#model")).to_be_visible()
    keys = page.keyboard
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the form")).to_be_in_viewport()
    keys.press("Enter")
    keys.press("Tab")
    keys.press("Enter")  # another row
    expect(page.locator("#source")).to_have_text("Row 2 of 3 from the training data.")
    keys.press("Tab")
    expect(page.get_by_label("age", exact=True)).to_be_focused()
    keys.press("Control+A")
    keys.type("19")
    keys.press("Enter")
    expect(page.locator("#answer output")).to_have_text("under")
    page.get_by_role("tab", name="curl").focus()
    keys.press("ArrowRight")
    expect(page.locator("#code")).to_contain_text("import httpx")


CONTRAST = """all => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => parts(colour).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = one => {
    const colour = getComputedStyle(one).backgroundColor;
    return parts(colour)[3] === 0 ? ground(one.parentElement) : colour;
  };
  return Math.min(...all.filter(one => one.checkVisibility() && one.innerText?.trim()).map(one => {
    const pair = [light(getComputedStyle(one).color), light(ground(one))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  }));
}"""


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_light_and_dark_follow_the_system_and_can_be_read(view: View, live: Any, scheme: str, dark: bool) -> None:
    page = view(f"{live.url}#table", color_scheme=scheme)
    answered(page)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (max(ground) < 60) is dark
    assert (
        page.locator("p, h1, h2, h3, li span, dt, dd, label, button, input, select, td, th, pre").evaluate_all(CONTRAST)
        > 4.5
    )


def test_nothing_jumps_while_the_page_comes_up(view: View, live: Any) -> None:
    page = view(f"{live.url}#table")
    expect(page.locator("#model")).to_be_visible()
    shifts = """() => new Promise(done => new PerformanceObserver(list => done(
      list.getEntries().reduce((sum, entry) => sum + entry.value, 0))).observe({type: "layout-shift", buffered: true})
      ?? setTimeout(() => done(0), 300))"""
    assert page.evaluate(shifts) < 0.02
