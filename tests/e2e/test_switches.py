"""What a person switches off is off at once, everywhere or on one site, and back when switched on.

The switches are those of the options page and of the popup, which is opened as a tab of its own
(``?tab=``) because WebDriver has no way to the real one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from extbuild.browsers import Browser
from tests.e2e.cases import HARMFUL, PROMPTS
from tests.e2e.harness.desk import Desk
from tests.e2e.harness.feed import open_feed, post
from tests.e2e.harness.ghosts import ghost_text, wait_ghost, wait_no_ghost, write
from tests.e2e.harness.pages import page
from tests.e2e.harness.screens import Shot
from tests.e2e.harness.server import Site
from tests.e2e.harness.veils import (
    buttons,
    by_id,
    wait_readable,
    wait_veiled,
)
from tests.e2e.harness.waiting import never, until


@contextmanager
def other_tab(browser: Browser, path: str) -> Iterator[None]:
    """A page of the extension in a second tab; afterwards the first one is in front again."""
    driver = browser.driver
    first = driver.current_window_handle
    browser.new_tab()
    driver.get(browser.url(path))
    try:
        yield
    finally:
        driver.close()
        driver.switch_to.window(first)


def toggle(driver: WebDriver, feature: str, *, on: bool) -> None:
    """Click a feature's switch; it is disabled until the popup knows its state."""
    control = by_id(driver, feature)
    until(
        driver,
        f"the switch #{feature} can be turned {on}",
        lambda: control.is_selected() is not on and control.is_enabled(),
    )
    control.click()
    until(driver, f"#{feature} is {on}", lambda: control.is_selected() is on)


def switch_everywhere(browser: Browser, feature: str, *, on: bool) -> None:
    """Use the options page."""
    with other_tab(browser, "ui/options.html"):
        toggle(browser.driver, feature, on=on)
        until(
            browser.driver,
            "the page says that it is saved",
            lambda: by_id(browser.driver, "status").text,
        )


def switch_on_this_site(browser: Browser, desk: Desk, feature: str, *, on: bool) -> None:
    """Use the popup of the tab under test."""
    tab_id = desk.tab_id()
    with other_tab(browser, f"ui/popup.html?tab={tab_id}"):
        toggle(browser.driver, feature, on=on)


def test_moderation_can_be_switched_off_everywhere(
    browser: Browser, tab: WebDriver, site: Site
) -> None:
    open_feed(tab, site)
    post(tab, "post", HARMFUL[0])
    wait_veiled(tab, "post")
    switch_everywhere(browser, "moderation", on=False)
    wait_readable(tab, "post")
    started = monotonic()
    switch_everywhere(browser, "moderation", on=True)
    wait_veiled(tab, "post")
    usual_s = monotonic() - started
    switch_everywhere(browser, "moderation", on=False)
    wait_readable(tab, "post")
    post(tab, "another", HARMFUL[1])
    never(tab, "a veil where moderation is off", lambda: buttons(tab), max(1.0, usual_s))


def test_moderation_can_be_switched_off_on_one_site(
    browser: Browser, desk: Desk, tab: WebDriver, site: Site
) -> None:
    open_feed(tab, site, host="localhost")
    post(tab, "post", HARMFUL[0])
    wait_veiled(tab, "post")
    switch_on_this_site(browser, desk, "moderation", on=False)
    wait_readable(tab, "post")
    open_feed(tab, site, host="127.0.0.1")
    post(tab, "post", HARMFUL[0])
    wait_veiled(tab, "post")
    open_feed(tab, site, host="localhost")
    post(tab, "post", HARMFUL[0])
    switch_on_this_site(browser, desk, "moderation", on=True)
    wait_veiled(tab, "post")


def test_a_site_can_be_taken_off_the_list_on_the_options_page(
    browser: Browser, desk: Desk, tab: WebDriver, site: Site, shot: Shot
) -> None:
    desk.save_settings({"off": {"moderation": ["localhost"], "completion": ["example.org"]}})
    open_feed(tab, site, host="localhost")
    post(tab, "post", HARMFUL[0])
    never(tab, "a veil on a site that is off", lambda: buttons(tab), 1.0)
    with other_tab(browser, "ui/options.html"):
        until(tab, "both sites are listed", lambda: len(_sites(tab)) == 2)
        shot("options-sites")
        tab.find_element(By.XPATH, "//li[contains(., 'localhost')]//button").click()
        until(tab, "one site is left", lambda: len(_sites(tab)) == 1)
    wait_veiled(tab, "post")


def _sites(driver: WebDriver) -> list[object]:
    return [*driver.find_elements(By.CSS_SELECTOR, "#sites > li")]


@pytest.mark.parametrize("place", ["everywhere", "site"])
def test_completion_can_be_switched_off(
    browser: Browser, desk: Desk, tab: WebDriver, site: Site, place: str
) -> None:
    desk.save_settings({"completion": {"minConfidence": 0}})
    tab.get(site.url(site.put("letter.html", page("letter.html"))))
    field = by_id(tab, "textarea")
    started = monotonic()
    write(tab, field, PROMPTS[0])
    wait_ghost(tab)
    usual_s = monotonic() - started
    if place == "everywhere":
        switch_everywhere(browser, "completion", on=False)
    else:
        switch_on_this_site(browser, desk, "completion", on=False)
    wait_no_ghost(tab)
    field.clear()
    field.send_keys(PROMPTS[0])
    never(tab, "ghost text where completion is off", lambda: ghost_text(tab), max(1.0, 2 * usual_s))


def test_pausing_stops_both_on_all_sites(
    browser: Browser, desk: Desk, tab: WebDriver, site: Site
) -> None:
    open_feed(tab, site)
    post(tab, "post", HARMFUL[0])
    wait_veiled(tab, "post")
    popup = f"ui/popup.html?tab={desk.tab_id()}"
    with other_tab(browser, popup):
        by_id(tab, "pause").click()
        until(tab, "the popup says that it pauses", lambda: by_id(tab, "paused").is_displayed())
    wait_readable(tab, "post")
    with other_tab(browser, popup):
        until(tab, "the popup says that it pauses", lambda: by_id(tab, "paused").is_displayed())
        by_id(tab, "pause").click()
    wait_veiled(tab, "post")
