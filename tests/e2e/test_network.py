"""Nothing that people read or write leaves the machine.

How each browser is asked, exactly and not by sampling:

* Chromium writes every URL request of every one of its processes, with the origin that initiated
  it, to the log of its one network service (``read_net_log``).
* Firefox notifies its parent process of every HTTP channel of every process before it is opened,
  with the principal that triggered it (``RECORD`` in extbuild/browsers/firefox.py).

What the browser asks for itself has no such origin and is not counted; a content script's requests
are made in the name of its page, so those of the page are. The session holds two that are known to
talk, an extension and a page: were the record blind to either, the test would fail.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from extbuild.artifacts import TargetName
from extbuild.browsers import Programs, start
from tests.e2e.cases import HARMFUL, PROMPTS
from tests.e2e.harness.desk import Desk
from tests.e2e.harness.ghosts import wait_ghost, write
from tests.e2e.harness.pages import page
from tests.e2e.harness.server import Site
from tests.e2e.harness.veils import by_id, wait_veiled
from tests.e2e.harness.waiting import until

TELLTALE = Path(__file__).parent / "telltale"


def test_no_request_leaves_the_machine(
    target: TargetName,
    packages: Mapping[TargetName, Path],
    programs: Callable[[TargetName], Programs],
    site: Site,
) -> None:
    url = site.url(site.put("chatty.html", page("chatty.html", {"harmful_0": HARMFUL[0]})))
    with start(
        target, programs(target), [packages[target], TELLTALE], record_requests=True
    ) as browser:
        Desk(browser).save_settings({"completion": {"minConfidence": 0}})
        tab = browser.driver
        tab.get(url)
        until(tab, "the page's own request was refused", lambda: tab.title == "refused")
        wait_veiled(tab, "harmful-0")
        write(tab, by_id(tab, "textarea"), PROMPTS[0])
        wait_ghost(tab)
        for path in ("ui/options.html", "ui/popup.html"):
            tab.get(browser.url(path))
    ours, telltale = browser.origins
    outside = {
        (request.client, host)
        for request in browser.requests
        if request.client and (host := urlsplit(request.url).hostname) != "127.0.0.1"
    }
    assert ours not in {client for client, _ in outside}
    assert outside == {
        (telltale, "telltale.invalid"),
        (url.removesuffix(urlsplit(url).path), "elsewhere.invalid"),
    }
