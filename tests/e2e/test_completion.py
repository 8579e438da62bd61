"""Ghost text is offered where people write, is taken or sent away, and never shown for secrets."""

from time import monotonic
from typing import cast

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from extbuild.browsers.engine import Call
from extbuild.config.runtime import Runtime
from tests.e2e.cases import HARMFUL, IN_A_WORD, PROMPTS
from tests.e2e.harness.desk import Desk
from tests.e2e.harness.ghosts import content, ghost_text, wait_ghost, wait_no_ghost, write
from tests.e2e.harness.layers import layers
from tests.e2e.harness.pages import page
from tests.e2e.harness.screens import Shot
from tests.e2e.harness.server import Site
from tests.e2e.harness.veils import by_id, press, wait_veiled
from tests.e2e.harness.waiting import never, until

FIELDS = ("textarea", "contenteditable", "input")
PRIVATE = ("password", "shown-password", "card", "late", "card-name")
PROMPT = PROMPTS[0]

# Two fields and a password in one shadow root: outside of it, the focus stays on the host.
COMPONENT = """
const host = document.createElement("div");
host.id = "host";
host.attachShadow({ mode: "open" }).innerHTML = `
  <style>textarea { display: block; height: 60px; width: 640px; }</style>
  <textarea id="first"></textarea><textarea id="second"></textarea>
  <input id="secret" type="password">`;
document.body.prepend(host);
"""

REWRITE = "document.open(); document.write(arguments[0]); document.close();"

SHOW_PASSWORD = """
const field = document.getElementById("password");
field.type = "text";
field.focus();
"""


@pytest.fixture
def letter(tab: WebDriver, desk: Desk, site: Site) -> WebDriver:
    """A page to write on, of somebody who wants every suggestion, however unsure the model is.

    So that these tests are about keys and fields, whichever model was trained; that it is sure of
    everyday phrases as it ships is a test of its own.
    """
    desk.save_settings({"completion": {"minConfidence": 0}})
    tab.get(site.url(site.put("letter.html", page("letter.html"))))
    return tab


def test_everyday_phrases_are_finished_as_the_extension_ships(
    tab: WebDriver, desk: Desk, site: Site, shipped: Runtime
) -> None:
    """At least half of them, and what the engine offers is what a person sees."""
    completion = shipped.models.completion
    assert completion is not None
    policy = {"minConfidence": completion.min_confidence, "maxWords": completion.max_words}
    answers = desk.ask(
        [
            Call("completion.suggest", {"field": "f", "before": prompt, "after": "", **policy})
            for prompt in PROMPTS
        ]
    )
    finished = [
        prompt
        for prompt, answer in zip(PROMPTS, answers, strict=True)
        if cast("dict[str, str]", answer.res)["text"]
    ]
    assert len(finished) >= len(PROMPTS) / 2, finished
    tab.get(site.url(site.put("letter.html", page("letter.html"))))
    write(tab, by_id(tab, "textarea"), finished[0])
    wait_ghost(tab)


@pytest.mark.parametrize("prompt", [PROMPT, IN_A_WORD])
@pytest.mark.parametrize("field", FIELDS)
def test_tab_takes_the_ghost_text_into_the_field(
    letter: WebDriver, shot: Shot, field: str, prompt: str
) -> None:
    element = by_id(letter, field)
    write(letter, element, prompt)
    shown = wait_ghost(letter)
    assert content(element) == prompt
    if prompt == PROMPT:
        shot(f"completion-{field}")
    press(letter, Keys.TAB)
    until(letter, "the field holds more than was typed", lambda: content(element) != prompt)
    assert content(element).startswith(prompt)
    assert content(element).rstrip().endswith(shown.strip())
    assert letter.switch_to.active_element == element


@pytest.mark.parametrize("field", FIELDS)
def test_what_was_taken_can_be_undone(letter: WebDriver, field: str) -> None:
    element = by_id(letter, field)
    write(letter, element, PROMPT)
    wait_ghost(letter)
    press(letter, Keys.TAB)
    until(letter, "the field holds more than was typed", lambda: content(element) != PROMPT)
    element.send_keys(Keys.CONTROL, "z")
    until(letter, "the field holds what was typed", lambda: content(element) == PROMPT)


@pytest.mark.parametrize("field", FIELDS)
def test_escape_sends_the_ghost_text_away_and_leaves_the_field_alone(
    letter: WebDriver, field: str
) -> None:
    element = by_id(letter, field)
    write(letter, element, PROMPT)
    wait_ghost(letter)
    press(letter, Keys.ESCAPE)
    wait_no_ghost(letter)
    assert content(element) == PROMPT
    assert letter.switch_to.active_element == element


def test_typing_on_replaces_the_ghost_text(letter: WebDriver) -> None:
    element = by_id(letter, "textarea")
    write(letter, element, PROMPT)
    wait_ghost(letter)
    element.send_keys(Keys.ENTER, Keys.ENTER)
    wait_no_ghost(letter)
    element.send_keys(PROMPTS[1])
    wait_ghost(letter)
    assert content(element) == f"{PROMPT}\n\n{PROMPTS[1]}"


def test_the_ghost_text_goes_with_the_focus(letter: WebDriver) -> None:
    write(letter, by_id(letter, "textarea"), PROMPT)
    wait_ghost(letter)
    by_id(letter, "next").click()
    wait_no_ghost(letter)


def test_tab_goes_to_the_next_field_where_no_ghost_text_is(letter: WebDriver) -> None:
    by_id(letter, "input").click()
    press(letter, Keys.TAB)
    assert letter.switch_to.active_element == by_id(letter, "textarea")


@pytest.mark.parametrize("field", PRIVATE)
def test_nothing_is_offered_where_secrets_are_typed(letter: WebDriver, field: str) -> None:
    """Watched for three times as long as the same words take in a field beside it."""
    write(letter, by_id(letter, "textarea"), PROMPT)
    wait_ghost(letter)
    write(letter, by_id(letter, "input"), PROMPTS[1])
    started = monotonic()
    wait_ghost(letter)
    usual_s = monotonic() - started
    by_id(letter, field).send_keys(PROMPTS[1])
    wait_no_ghost(letter)
    never(letter, f"ghost text in {field}", lambda: ghost_text(letter), max(1.0, 3 * usual_s))


def test_in_a_component_the_field_that_is_written_in_gets_the_ghost_text(letter: WebDriver) -> None:
    letter.execute_script(COMPONENT)
    first, second = by_id(letter, "host>first"), by_id(letter, "host>second")
    write(letter, first, PROMPT)
    wait_ghost(letter)
    second.click()
    wait_no_ghost(letter)
    write(letter, second, PROMPTS[1])
    wait_ghost(letter)
    press(letter, Keys.TAB)
    until(letter, "the second holds more than was typed", lambda: content(second) != PROMPTS[1])
    assert content(second).startswith(PROMPTS[1])
    assert content(first) == PROMPT
    by_id(letter, "host>secret").click()
    until(letter, "no field is attended to", lambda: not layers(letter))


def test_a_page_that_writes_its_document_anew_is_looked_after_as_before(letter: WebDriver) -> None:
    """document.open() takes every listener away, as rich editors do to their frames."""
    started = monotonic()
    write(letter, by_id(letter, "textarea"), PROMPT)
    wait_ghost(letter)
    usual_s = monotonic() - started
    letter.execute_script(REWRITE, f"{page('letter.html').html}<p id='post'>{HARMFUL[0]}</p>")
    wait_veiled(letter, "post")
    write(letter, by_id(letter, "textarea"), PROMPT)
    wait_ghost(letter)
    letter.execute_script(SHOW_PASSWORD)
    press(letter, *PROMPTS[1])
    wait_no_ghost(letter)
    never(letter, "ghost text for a password", lambda: ghost_text(letter), max(1.0, 2 * usual_s))
