"""The popup and the options page: they load without an error, and tell what is going on."""

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from extbuild.browsers import Browser
from tests.e2e.cases import HARMFUL, PAGE_CASES
from tests.e2e.harness.desk import Desk
from tests.e2e.harness.pages import mixed_page
from tests.e2e.harness.screens import Shot
from tests.e2e.harness.server import Site
from tests.e2e.harness.veils import by_id, wait_readable, wait_veiled
from tests.e2e.harness.waiting import until

POPUP_PX = (360, 620)
OPTIONS_PX = (1000, 2000)
ARTICLE = PAGE_CASES[0]


def test_the_popup_tells_how_much_is_hidden_on_the_page(
    browser: Browser, desk: Desk, tab: WebDriver, site: Site, shot: Shot
) -> None:
    tab.get(site.url(site.put("article.html", mixed_page(ARTICLE))))
    wait_veiled(tab, "harmful-0", "harmful-1")
    tab_id = desk.tab_id()
    browser.new_tab()
    tab.set_window_size(*POPUP_PX)
    tab.get(browser.url(f"ui/popup.html?tab={tab_id}"))
    until(tab, "the site is named", lambda: by_id(tab, "site").text == "127.0.0.1")
    until(tab, "two are counted", lambda: "2" in by_id(tab, "moderation-note").text)
    assert by_id(tab, "moderation").is_selected()
    assert by_id(tab, "completion").is_selected()
    shot("popup")


def test_the_popup_says_where_the_extension_does_not_run(
    browser: Browser, tab: WebDriver, shot: Shot
) -> None:
    tab.set_window_size(*POPUP_PX)
    tab.get(browser.url("ui/popup.html?tab=999999"))
    until(tab, "it says so", lambda: by_id(tab, "unreachable").is_displayed())
    shot("popup-unreachable")


def test_the_options_page_says_everything_in_words(
    browser: Browser, tab: WebDriver, shot: Shot
) -> None:
    """Every text is translated, and every control has a name that a screen reader can say."""
    tab.get(browser.url("ui/options.html"))
    until(tab, "the version is shown", lambda: by_id(tab, "version").text)
    untold = [
        element.get_attribute("data-i18n")
        for element in tab.find_elements(By.CSS_SELECTOR, "[data-i18n]")
        if element.is_displayed() and not element.text.strip()
    ]
    assert untold == []
    nameless = [
        control.get_attribute("outerHTML")
        for control in tab.find_elements(By.CSS_SELECTOR, "input, button, select")
        if control.is_displayed() and not control.accessible_name
    ]
    assert nameless == []
    tab.set_window_size(*OPTIONS_PX)
    shot("options")


def test_a_stricter_setting_applies_to_pages_that_are_open(
    browser: Browser, desk: Desk, tab: WebDriver, site: Site
) -> None:
    """At a threshold of 1 nothing is veiled; back at what ships, the same text is."""
    tab.get(site.url(site.put("article.html", mixed_page(ARTICLE))))
    wait_veiled(tab, "harmful-0")
    labels = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
    desk.save_settings({"thresholds": dict.fromkeys(labels, 1)})
    wait_readable(tab, "harmful-0")
    assert by_id(tab, "harmful-0").text == HARMFUL[0]
    desk.forget_settings()
    wait_veiled(tab, "harmful-0")
