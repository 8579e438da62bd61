"""What tests and measurements may ask of a running browser, whichever it is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, Self

from selenium.webdriver.remote.webdriver import WebDriver

from extbuild.artifacts import TargetName

ColourScheme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request that a browser made of its network stack, whether or not it was answered.

    ``client`` is the origin that caused it: of an extension, or of a page (content scripts fetch
    in the name of their page); empty for the browser itself and for navigation by the driver.
    """

    url: str
    client: str


class Browser(ABC):
    """A running browser with extensions in it. Close it, or use it as a context manager.

    ``resources`` ends the browser when it is closed, and fills ``requests`` on the way.
    ``origins`` are the extensions' origins in the order in which they were given; ``origin`` is the
    first. ``driver`` is Selenium's.
    """

    target: TargetName

    def __init__(
        self,
        driver: WebDriver,
        origins: Sequence[str],
        resources: ExitStack,
        requests: Sequence[Request],
    ) -> None:
        self.driver = driver
        self.origins = tuple(origins)
        self._resources = resources
        self._requests = requests

    @property
    def origin(self) -> str:
        """Origin of the first extension, without a slash at its end."""
        return self.origins[0]

    def url(self, path: str) -> str:
        """Address of a page of the first extension."""
        return f"{self.origin}/{path}"

    def new_tab(self) -> str:
        """Open a tab in front and work in it from now on; its handle."""
        self.driver.switch_to.new_window("tab")
        return self.driver.current_window_handle

    @abstractmethod
    def update(self) -> None:
        """Install the first extension again over itself, with pages open that it works on."""

    @abstractmethod
    def stop_background(self) -> None:
        """End everything of the first extension that runs without a tab, as the browser may do.

        Its worker, its models and its ports are gone when this returns.
        """

    @abstractmethod
    def prefer_colours(self, scheme: ColourScheme) -> None:
        """Make the current tab believe that the person prefers this colour scheme."""

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every request the browser made, if it was to record them; known once it is closed."""
        return tuple(self._requests)

    def close(self) -> None:
        """End the browser and remove everything it wrote. Closing twice is harmless."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
