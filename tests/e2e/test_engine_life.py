"""The engine comes when it is asked, goes when nobody asks, and is replaced when it fails."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from extbuild.artifacts import TargetName
from extbuild.browsers import Browser, Programs, start
from extbuild.browsers.engine import Answer, Call
from tests.e2e.cases import HARMFUL, PROMPTS
from tests.e2e.harness.desk import Desk
from tests.e2e.harness.feed import open_feed, post
from tests.e2e.harness.server import Site
from tests.e2e.harness.variant import build_variant
from tests.e2e.harness.veils import by_id, wait_veiled
from tests.e2e.harness.waiting import never, until
from tests.e2e.harness.workers import hang_worker, running_workers

IDLE_UNLOAD_S = 3
LIAR = "engine-relaxed"
TOLERANCE = 0.02  # of test_scores.py
SCRIPT_DEADLINE_S = 60
# router/seat.ts: a worker is silent for twenty seconds before it counts as hung.
PATIENCE_MS = 20_000


@pytest.fixture(scope="session")
def odd(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[TargetName, Path]:
    """What ships, but it lets go of its models after seconds, and one of its backends is wrong."""
    settings = {"idle_unload_seconds": str(IDLE_UNLOAD_S), "lying_backend": f'"{LIAR}"'}
    return build_variant(root, tmp_path_factory.mktemp("odd"), settings)


@pytest.fixture
def visited(
    target: TargetName,
    odd: Mapping[TargetName, Path],
    programs: Callable[[TargetName], Programs],
) -> Iterator[Browser]:
    with start(target, programs(target), [odd[target]]) as browser:
        browser.driver.set_script_timeout(SCRIPT_DEADLINE_S)
        yield browser


def _status(desk: Desk) -> tuple[int, str]:
    """Workers that the engine says it has, and the phase of the moderation model."""
    (answer,) = desk.ask([Call("engine.watch", {})])
    status = cast("Mapping[str, Mapping[str, Mapping[str, str]]]", answer.res)
    return cast("int", status["workers"]), status["models"]["moderation"]["phase"]


def test_an_engine_that_nobody_asks_is_ended_and_comes_back_at_the_next_question(
    visited: Browser, site: Site
) -> None:
    """The browser itself is asked for the workers; what the engine says of them must agree."""
    desk = Desk(visited)
    tab = visited.driver
    assert running_workers(visited) == 0
    visited.new_tab()
    open_feed(tab, site)
    for post_id, text in (("first", HARMFUL[0]), ("second", HARMFUL[1])):
        post(tab, post_id, text)
        wait_veiled(tab, post_id)
        assert running_workers(visited) >= 1
        until(tab, "its workers are ended", lambda: running_workers(visited) == 0)
        assert _status(desk) == (0, "unloaded")


def test_an_engine_that_is_asked_now_and_then_stays(visited: Browser) -> None:
    desk = Desk(visited)
    question = Call("completion.suggest", _suggestion(PROMPTS[0]))
    desk.ask([question])

    def is_gone() -> bool:
        desk.ask([question])
        return _status(desk)[0] == 0

    never(visited.driver, "the worker is ended", is_gone, 2 * IDLE_UNLOAD_S)


def test_a_backend_that_computes_wrongly_is_not_used_and_the_popup_says_so(
    visited: Browser, desk: Desk
) -> None:
    question = Call("moderation.score", {"texts": [*HARMFUL], "lane": "visible"})
    (expected,) = desk.ask([question])
    (found,) = Desk(visited).ask([question])
    for here, there in zip(_scores(found), _scores(expected), strict=True):
        assert here == pytest.approx(there, abs=TOLERANCE)
    tab = visited.driver
    tab.get(visited.url("ui/popup.html"))
    until(tab, "it says why", lambda: "gave wrong results" in by_id(tab, "models").text)
    tab.get(visited.url("ui/options.html"))
    until(tab, "it says which", lambda: LIAR in by_id(tab, "models").text)


def test_a_worker_that_hangs_is_replaced_and_its_call_answered(
    packages: Mapping[TargetName, Path], programs: Callable[[TargetName], Programs]
) -> None:
    """In Chromium, whose DevTools can make one hang; the host page runs the same code in both."""
    with start("chrome", programs("chrome"), [packages["chrome"]]) as browser:
        browser.driver.set_script_timeout(SCRIPT_DEADLINE_S)
        desk = Desk(browser)
        question = Call("moderation.score", {"texts": [HARMFUL[0]], "lane": "visible"})
        (before,) = desk.ask([question])
        workers = running_workers(browser)
        hang_worker(browser)
        (after,) = desk.ask([question])
        assert after.res == before.res
        assert after.ms > PATIENCE_MS, "it did not hang"
        until(
            browser.driver,
            "the worker that hung is gone",
            lambda: running_workers(browser) == workers,
        )


def _scores(answer: Answer) -> list[list[float]]:
    return cast("Mapping[str, list[list[float]]]", answer.res)["scores"]


def _suggestion(before: str) -> Mapping[str, object]:
    return {"field": "f", "before": before, "after": "", "minConfidence": 0, "maxWords": 3}
