"""An extension that is updated must not leave a page behind that nobody can read."""

from collections.abc import Callable, Mapping
from pathlib import Path

from extbuild.artifacts import TargetName
from extbuild.browsers import Programs, start
from tests.e2e.cases import HARMFUL
from tests.e2e.harness.feed import open_feed, post
from tests.e2e.harness.server import Site
from tests.e2e.harness.veils import buttons, click_at, is_readable, wait_veiled
from tests.e2e.harness.waiting import until


def test_a_text_that_was_veiled_before_an_update_can_be_read_after_it(
    target: TargetName,
    packages: Mapping[TargetName, Path],
    programs: Callable[[TargetName], Programs],
    site: Site,
) -> None:
    """With a click if the browser starts the new version in open pages, as Firefox does."""
    with start(target, programs(target), [packages[target]]) as browser:
        tab = browser.driver
        page = browser.new_tab()
        open_feed(tab, site)
        post(tab, "post", HARMFUL[0])
        wait_veiled(tab, "post")
        browser.update()
        tab.switch_to.window(page)

        def shown() -> bool:
            if buttons(tab):
                click_at(tab, "post")
            return is_readable(tab, "post")

        until(tab, "the text is shown, at most with a click", shown)
