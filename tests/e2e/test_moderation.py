"""Harmful text is veiled wherever it is, harmless text never, and a veil can be lifted."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from extbuild.browsers import Browser
from tests.e2e.cases import BENIGN, HARMFUL, OTHER_SCRIPT, PAGE_CASES, PageCase
from tests.e2e.harness.feed import edit, open_feed, post
from tests.e2e.harness.pages import mixed_page, page
from tests.e2e.harness.screens import Shot
from tests.e2e.harness.server import Site
from tests.e2e.harness.veils import (
    buttons,
    by_id,
    click_at,
    is_readable,
    is_veiled,
    reveal_with_keyboard,
    wait_readable,
    wait_veiled,
)
from tests.e2e.harness.waiting import until

ARTICLE = PAGE_CASES[0]


@pytest.mark.parametrize("case", PAGE_CASES, ids=lambda case: case.name)
def test_harmful_text_is_veiled_and_harmless_text_is_not(
    tab: WebDriver, site: Site, shot: Shot, case: PageCase
) -> None:
    tab.get(site.url(site.put(case.template, mixed_page(case))))
    if case.frame:
        tab.switch_to.frame(case.frame)
    wait_veiled(tab, "harmful-0", "harmful-1")
    wait_readable(tab, "benign-0", "benign-1", "benign-2")
    tab.switch_to.default_content()
    shot(f"moderation-{case.name}")


@pytest.mark.parametrize("text", HARMFUL)
def test_text_that_a_script_adds_is_veiled(tab: WebDriver, site: Site, text: str) -> None:
    open_feed(tab, site)
    post(tab, "first", BENIGN[0])
    post(tab, "second", text)
    wait_veiled(tab, "second")
    assert is_readable(tab, "first")


def test_harmless_text_stays_readable_while_later_text_is_judged(
    tab: WebDriver, site: Site, shot: Shot
) -> None:
    """The engine answers in order: once the last text is veiled, all before it were judged."""
    open_feed(tab, site)
    texts = [*BENIGN, OTHER_SCRIPT]
    for index, text in enumerate(texts):
        post(tab, f"benign-{index}", text)
    post(tab, "last", HARMFUL[0])
    wait_veiled(tab, "last")
    assert [index for index in range(len(texts)) if not is_readable(tab, f"benign-{index}")] == []
    shot("moderation-feed")


def test_a_text_that_is_changed_in_place_is_judged_anew(tab: WebDriver, site: Site) -> None:
    open_feed(tab, site)
    post(tab, "post", BENIGN[1])
    post(tab, "sentinel", HARMFUL[0])
    wait_veiled(tab, "sentinel")
    edit(tab, "post", HARMFUL[1])
    wait_veiled(tab, "post")
    edit(tab, "post", BENIGN[2])
    wait_readable(tab, "post")


def test_text_inside_of_components_is_veiled_in_open_and_closed_shadow_roots(
    tab: WebDriver, site: Site, shot: Shot
) -> None:
    texts = {"benign_0": BENIGN[0], "harmful_0": HARMFUL[0]}
    tab.get(site.url(site.put("components.html", page("components.html", texts))))
    wait_veiled(tab, "open>harmful", "closed>harmful")
    wait_readable(tab, "open>benign", "closed>benign")
    shot("moderation-components")
    click_at(tab, "closed>harmful")
    wait_readable(tab, "closed>harmful")


def test_a_veil_in_a_modal_dialog_lies_above_it_and_can_be_clicked(
    tab: WebDriver, site: Site, shot: Shot
) -> None:
    texts = {"benign_0": BENIGN[0], "benign_1": BENIGN[1], "harmful_0": HARMFUL[0]}
    tab.get(site.url(site.put("dialog.html", page("dialog.html", texts))))
    wait_veiled(tab, "harmful")
    wait_readable(tab, "benign", "below")
    shot("moderation-dialog")
    click_at(tab, "harmful")
    wait_readable(tab, "harmful")


def test_text_far_below_is_veiled_when_it_is_scrolled_to(tab: WebDriver, site: Site) -> None:
    open_feed(tab, site)
    for index in range(120):
        post(tab, f"benign-{index}", f"{index}. {BENIGN[index % len(BENIGN)]}")
    post(tab, "far", HARMFUL[0])
    tab.execute_script("document.getElementById('far').scrollIntoView()")
    wait_veiled(tab, "far")


def test_veils_that_come_in_one_go_lie_each_over_its_own_text(tab: WebDriver, site: Site) -> None:
    open_feed(tab, site)
    tab.execute_script(
        "for (let index = 0; index < 6; index += 1) post(`post-${index}`, arguments[0])", HARMFUL[0]
    )
    wait_veiled(tab, *(f"post-{index}" for index in range(6)))


def test_a_veil_goes_when_its_text_is_taken_off_the_page(tab: WebDriver, site: Site) -> None:
    open_feed(tab, site)
    post(tab, "post", HARMFUL[0])
    wait_veiled(tab, "post")
    tab.execute_script("document.getElementById('post').remove()")
    until(tab, "no veil is left", lambda: not buttons(tab))


def test_a_veil_stays_over_its_text_when_the_page_moves(tab: WebDriver, site: Site) -> None:
    open_feed(tab, site)
    post(tab, "post", HARMFUL[0])
    wait_veiled(tab, "post")
    tab.execute_script("document.getElementById('post').style.marginTop = '200px'")
    wait_veiled(tab, "post")
    tab.set_window_size(600, 800)
    wait_veiled(tab, "post")


def test_a_click_shows_the_text_and_only_that_one(tab: WebDriver, site: Site, shot: Shot) -> None:
    tab.get(site.url(site.put("article.html", mixed_page(ARTICLE))))
    wait_veiled(tab, "harmful-0", "harmful-1")
    click_at(tab, "harmful-1")
    wait_readable(tab, "harmful-1")
    assert by_id(tab, "harmful-1").text == HARMFUL[1]
    assert is_veiled(tab, "harmful-0")
    shot("moderation-revealed")


def test_the_keyboard_shows_the_text_and_the_focus_goes_to_it(tab: WebDriver, site: Site) -> None:
    tab.get(site.url(site.put("article.html", mixed_page(ARTICLE))))
    wait_veiled(tab, "harmful-0", "harmful-1")
    reveal_with_keyboard(tab)
    wait_readable(tab, "harmful-0")
    assert tab.switch_to.active_element == by_id(tab, "harmful-0")
    assert is_veiled(tab, "harmful-1")


def test_a_veil_says_to_everybody_what_it_is(tab: WebDriver, site: Site) -> None:
    """Its accessible name gives the reason; the hidden text is hidden from screen readers too."""
    tab.get(site.url(site.put("article.html", mixed_page(ARTICLE))))
    wait_veiled(tab, "harmful-0", "harmful-1")
    for button in buttons(tab):
        assert button.aria_role == "button"
        assert len(button.accessible_name) > len("Show")
        assert button.text
    assert by_id(tab, "harmful-0").get_attribute("aria-hidden") == "true"


def test_a_page_cannot_lift_a_veil_by_a_click_of_its_own(tab: WebDriver, site: Site) -> None:
    tab.get(site.url(site.put("article.html", mixed_page(ARTICLE))))
    wait_veiled(tab, "harmful-0", "harmful-1")
    tab.execute_script(
        """
        const box = document.getElementById("harmful-0").getBoundingClientRect();
        document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2).click();
        """
    )
    click_at(tab, "harmful-1")
    wait_readable(tab, "harmful-1")
    assert is_veiled(tab, "harmful-0")


def test_moderation_edits_no_text_and_moves_no_node(tab: WebDriver, site: Site) -> None:
    """Frameworks own the nodes of a page: what changes is style and aria-hidden of the block."""
    look = """
        const walker = document.createTreeWalker(document.body);
        const nodes = [];
        while (walker.nextNode()) nodes.push(walker.currentNode);
    """
    is_same = f"""
        {look}
        return nodes.length === before.nodes.length
          && nodes.every((node, index) => node === before.nodes[index]);
    """
    open_feed(tab, site)
    tab.execute_script(  # in one task, so that nothing is veiled yet
        f"""
        post("post", arguments[0]);
        {look}
        window.before = {{ nodes, html: document.getElementById("post").outerHTML }};
        """,
        HARMFUL[0],
    )
    wait_veiled(tab, "post")
    assert tab.execute_script(is_same)
    click_at(tab, "post")
    wait_readable(tab, "post")
    assert tab.execute_script(is_same)
    assert tab.execute_script("return before.html") == by_id(tab, "post").get_attribute("outerHTML")


def test_what_is_typed_is_never_veiled(tab: WebDriver, site: Site, browser: Browser) -> None:
    tab.get(site.url(site.put("letter.html", page("letter.html"))))
    for identifier in ("textarea", "contenteditable"):
        by_id(tab, identifier).send_keys(HARMFUL[0])
    tab.execute_script(
        "document.body.append(Object.assign(document.createElement('p'), {id: 'p'}));"
        "document.getElementById('p').textContent = arguments[0]",
        HARMFUL[1],
    )
    wait_veiled(tab, "p")
    assert tab.find_element(By.ID, "textarea").is_displayed()
    assert tab.find_element(By.ID, "contenteditable").is_displayed()
