"""Veils as a person meets them: a text that cannot be seen, and a button in its place.

Texts are named by their element's id, in the present frame and, after a ``>``, in the shadow root
of the element before it: ``"host>text"``.
"""

from functools import partial

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.harness.layers import drawn
from tests.e2e.harness.waiting import until

_TOLERANCE_PX = 1.5


def by_id(driver: WebDriver, name: str) -> WebElement:
    """The element of this name."""
    outer, *inner = name.split(">")
    element = driver.find_element(By.ID, outer)
    for identifier in inner:
        element = element.shadow_root.find_element(By.CSS_SELECTOR, f"#{identifier}")
    return element


def buttons(driver: WebDriver) -> list[WebElement]:
    """The buttons of all veils in the present frame, in the order of the Tab key."""
    return drawn(driver, ".veil button")


def is_veiled(driver: WebDriver, name: str) -> bool:
    """Whether the text cannot be seen and one button lies exactly over its place."""
    element = by_id(driver, name)
    return not element.is_displayed() and _covers(driver, element) == 1


def is_readable(driver: WebDriver, name: str) -> bool:
    """Whether the text can be seen, and nothing of ours lies over it."""
    element = by_id(driver, name)
    return element.is_displayed() and _covers(driver, element) == 0


def wait_veiled(driver: WebDriver, *names: str) -> None:
    for name in names:
        until(driver, f"#{name} is veiled", partial(is_veiled, driver, name))


def wait_readable(driver: WebDriver, *names: str) -> None:
    for name in names:
        until(driver, f"#{name} is readable", partial(is_readable, driver, name))


def click_at(driver: WebDriver, name: str) -> None:
    """Click where the element is, on whatever is on top there."""
    ActionChains(driver).move_to_element(by_id(driver, name)).click().perform()


def press(driver: WebDriver, *keys: str) -> None:
    """Press keys one after the other, wherever the focus is."""
    ActionChains(driver).send_keys(*keys).perform()


def reveal_with_keyboard(driver: WebDriver) -> None:
    """Tab to the first veil of the page, which has nothing else to tab to, and press Enter."""
    press(driver, Keys.TAB, Keys.ENTER)


def _covers(driver: WebDriver, element: WebElement) -> int:
    return sum(_same_place(button, element) for button in buttons(driver))


def _same_place(one: WebElement, other: WebElement) -> bool:
    return all(
        abs(float(one.rect[side]) - float(other.rect[side])) <= _TOLERANCE_PX
        for side in ("x", "y", "width", "height")
    )
