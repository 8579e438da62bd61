"""Ghost text as a person meets it: grey words after the caret, taken with Tab."""

from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.harness.layers import drawn, layers
from tests.e2e.harness.waiting import until


def ghost_text(driver: WebDriver) -> str:
    """The ghost text that can be seen in the present frame; empty if there is none."""
    return "".join(element.text for element in drawn(driver, ".ghost"))


def wait_ghost(driver: WebDriver) -> str:
    """The ghost text, once there is one."""
    return until(driver, "ghost text is shown", lambda: ghost_text(driver))


def wait_no_ghost(driver: WebDriver) -> None:
    until(driver, "no ghost text is shown", lambda: not ghost_text(driver))


def write(driver: WebDriver, field: WebElement, text: str) -> None:
    """Click into a field and type, no sooner than the extension attends to it.

    It comes into a page when that has loaded, which WebDriver is quicker than people to write on;
    and it offers nothing before something is typed while it looks.
    """
    field.click()
    until(driver, "the extension attends to the field", lambda: layers(driver))
    field.send_keys(text)


def content(field: WebElement) -> str:
    """What a person has written in a field, with ordinary spaces."""
    text = field.get_property("value" if field.tag_name in ("input", "textarea") else "innerText")
    return str(text).replace("\u00a0", " ").rstrip("\n")
