"""Veils as a person meets them: a text that cannot be seen, and a button in its place."""

from functools import partial

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.harness.layers import drawn
from tests.e2e.harness.waiting import until

_TOLERANCE_PX = 1.5


def by_id(driver: WebDriver, identifier: str) -> WebElement:
    return driver.find_element(By.ID, identifier)


def buttons(driver: WebDriver) -> list[WebElement]:
    """The buttons of all veils in the present frame, in the order of the Tab key."""
    return drawn(driver, ".veil button")


def is_veiled(driver: WebDriver, identifier: str) -> bool:
    """Whether the text cannot be seen and a button lies exactly over its place."""
    element = by_id(driver, identifier)
    return not element.is_displayed() and any(
        _same_place(button, element) for button in buttons(driver)
    )


def is_readable(driver: WebDriver, identifier: str) -> bool:
    """Whether the text can be seen, and nothing of ours lies over it."""
    element = by_id(driver, identifier)
    return element.is_displayed() and not any(
        _same_place(button, element) for button in buttons(driver)
    )


def wait_veiled(driver: WebDriver, *identifiers: str) -> None:
    for identifier in identifiers:
        until(driver, f"#{identifier} is veiled", partial(is_veiled, driver, identifier))


def wait_readable(driver: WebDriver, *identifiers: str) -> None:
    for identifier in identifiers:
        until(driver, f"#{identifier} is readable", partial(is_readable, driver, identifier))


def click_at(driver: WebDriver, identifier: str) -> None:
    """Click where the element is, on whatever is on top there."""
    ActionChains(driver).move_to_element(by_id(driver, identifier)).click().perform()


def press(driver: WebDriver, *keys: str) -> None:
    """Press keys one after the other, wherever the focus is."""
    ActionChains(driver).send_keys(*keys).perform()


def reveal_with_keyboard(driver: WebDriver) -> None:
    """Tab to the first veil of the page, which has nothing else to tab to, and press Enter."""
    press(driver, Keys.TAB, Keys.ENTER)


def _same_place(one: WebElement, other: WebElement) -> bool:
    return all(
        abs(float(one.rect[side]) - float(other.rect[side])) <= _TOLERANCE_PX
        for side in ("x", "y", "width", "height")
    )
