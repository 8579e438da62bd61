"""The browser may end the extension's background at any time; people notice nothing."""

from selenium.webdriver.remote.webdriver import WebDriver

from extbuild.browsers import Browser
from tests.e2e.cases import HARMFUL, PROMPTS
from tests.e2e.harness.desk import Desk
from tests.e2e.harness.feed import open_feed, post
from tests.e2e.harness.ghosts import wait_ghost, wait_no_ghost, write
from tests.e2e.harness.pages import page
from tests.e2e.harness.server import Site
from tests.e2e.harness.veils import by_id, press, wait_veiled


def test_text_is_veiled_after_the_background_was_ended(
    browser: Browser, tab: WebDriver, site: Site
) -> None:
    open_feed(tab, site)
    post(tab, "before", HARMFUL[0])
    wait_veiled(tab, "before")
    browser.stop_background()
    post(tab, "after", HARMFUL[1])
    wait_veiled(tab, "after", "before")


def test_ghost_text_is_offered_after_the_background_was_ended(
    browser: Browser, tab: WebDriver, desk: Desk, site: Site
) -> None:
    desk.save_settings({"completion": {"minConfidence": 0}})
    tab.get(site.url(site.put("letter.html", page("letter.html"))))
    write(tab, by_id(tab, "textarea"), PROMPTS[0])
    wait_ghost(tab)
    browser.stop_background()
    press(tab, "\n\n")
    wait_no_ghost(tab)
    press(tab, PROMPTS[1])
    wait_ghost(tab)


def test_it_recovers_again_and_again_and_in_the_middle_of_its_work(
    browser: Browser, tab: WebDriver, site: Site
) -> None:
    open_feed(tab, site)
    for index, text in enumerate(HARMFUL):
        browser.stop_background()
        post(tab, f"post-{index}", text)
        browser.stop_background()
        wait_veiled(tab, f"post-{index}")
