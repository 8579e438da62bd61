"""The page ``feed.html``, whose script adds and changes texts as frameworks do."""

from selenium.webdriver.remote.webdriver import WebDriver

from tests.e2e.harness.pages import page
from tests.e2e.harness.server import Site


def open_feed(driver: WebDriver, site: Site, host: str = "127.0.0.1") -> None:
    """An empty feed, on either of the two sites."""
    driver.get(site.url(site.put("feed.html", page("feed.html")), host))


def post(driver: WebDriver, identifier: str, text: str) -> None:
    """The page's script adds a text in an element of this id."""
    driver.execute_script("post(arguments[0], arguments[1])", identifier, text)


def edit(driver: WebDriver, identifier: str, text: str) -> None:
    """The page's script changes the text of a node in place."""
    driver.execute_script("edit(arguments[0], arguments[1])", identifier, text)
