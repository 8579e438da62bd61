"""What the extension draws over a page: closed shadow roots that the page itself cannot look into.

WebDriver can, in both browsers: its "get element shadow root" knows no modes. So these tests find
veils and ghost text where a person sees them, without a hook in what is shipped.
"""

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.shadowroot import ShadowRoot
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

_HOSTS = "[data-sidelight]"  # lib/overlay.ts


def layers(driver: WebDriver) -> list[ShadowRoot]:
    """The shadow roots of the extension's overlays in the present frame."""
    return [host.shadow_root for host in driver.find_elements(By.CSS_SELECTOR, _HOSTS)]


def drawn(driver: WebDriver, css: str) -> list[WebElement]:
    """Elements of the overlays that fit ``css`` and can be seen."""
    return [
        element
        for layer in layers(driver)
        for element in layer.find_elements(By.CSS_SELECTOR, css)
        if element.is_displayed()
    ]
