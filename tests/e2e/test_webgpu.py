"""A GPU takes over when it has shown that it is right, and gives the work back when it is lost.

No GPU is needed: both browsers can drive one that is software, slowly. The models are tiny and have
random weights; what they say means nothing, and must be the same wherever they run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import cast

import pytest

from extbuild.artifacts import TargetName
from extbuild.browsers import Browser, Programs, start
from extbuild.browsers.chromium import Chromium
from extbuild.browsers.engine import Call
from tests.e2e.cases import BENIGN, HARMFUL, PROMPTS
from tests.e2e.harness.desk import Desk
from tests.e2e.harness.gpu import (
    answered_later,
    ask_later,
    build_for_gpus,
    install_software_gpu,
)
from tests.e2e.harness.veils import by_id
from tests.e2e.harness.waiting import never, until

TARGETS: tuple[TargetName, ...] = ("chrome", "firefox")
BACKEND = "ort-webgpu"
GPU = "WebGPU"
LONG_PROMPT = "The library opens at nine"
SCRIPT_DEADLINE_S = 60
TAKEOVER_DEADLINE_S = 90  # software compiles some fifty shaders on two busy cores
THRESHOLD = 0.5
# On a probability: the engine rounds the activations of 4-bit products to 8 bits, a GPU does not.
TOLERANCE = 0.02
TEXTS = (*HARMFUL[:2], *BENIGN[:2])
SCORES = Call("moderation.score", {"texts": TEXTS, "lane": "visible"})


def _suggestion(before: str, words: int = 3) -> Call:
    policy = {"minConfidence": 0, "maxWords": words}
    return Call("completion.suggest", {"field": "f", "before": before, "after": "", **policy})


CALLS = (SCORES, *(_suggestion(prompt) for prompt in PROMPTS[:2]))


@dataclass(frozen=True)
class Said:
    """What the engine answered to `CALLS`."""

    scores: Sequence[Sequence[float]]
    suggestions: Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Served:
    """A browser whose models have gone over to the GPU, and what they said before."""

    browser: Browser
    desk: Desk
    by_engine: Said


def _ask(desk: Desk) -> Said:
    scores, *suggestions = (answer.res for answer in desk.ask(CALLS))
    return Said(
        cast("Mapping[str, list[list[float]]]", scores)["scores"],
        cast("list[Mapping[str, object]]", suggestions),
    )


def _text(suggestion: object) -> str:
    return cast("Mapping[str, str]", suggestion)["text"]


def _running(desk: Desk) -> list[str]:
    """The backend of each model."""
    return [str(model["backend"]) for model in _models(desk)]


def _demoted(desk: Desk) -> list[tuple[str, str]]:
    """Which backends are not used any more, and why, by model."""
    found = [cast("list[Mapping[str, str]]", model["demoted"]) for model in _models(desk)]
    return [(one["backend"], one["cause"]) for demoted in found for one in demoted]


def _models(desk: Desk) -> list[Mapping[str, object]]:
    (answer,) = desk.ask([Call("engine.watch", {})])
    status = cast("Mapping[str, Mapping[str, Mapping[str, object]]]", answer.res)
    models = list(status["models"].values())
    assert [model["phase"] for model in models] == ["ready", "ready"], models
    return models


def _assert_same(found: Said, expected: Said) -> None:
    for here, there in zip(found.scores, expected.scores, strict=True):
        assert here == pytest.approx(there, abs=TOLERANCE)
        assert [one >= THRESHOLD for one in here] == [one >= THRESHOLD for one in there]
    for suggestion, other in zip(found.suggestions, expected.suggestions, strict=True):
        assert (suggestion["text"], suggestion["silence"]) == (other["text"], other["silence"])
        assert suggestion["confidence"] == pytest.approx(other["confidence"], abs=TOLERANCE)


@pytest.fixture(scope="module")
def tiny(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[TargetName, Path]:
    return build_for_gpus(root, tmp_path_factory.mktemp("gpu"), ("chrome", "firefox"))


@pytest.fixture(scope="module")
def served(
    tiny: Mapping[TargetName, Path], programs: Callable[[TargetName], Programs]
) -> Iterator[Callable[[TargetName], Served]]:
    """Starts a browser when it is first asked for, and waits until the GPU serves."""
    with ExitStack() as stack:

        @cache
        def serving(target: TargetName) -> Served:
            if target == "firefox":
                install_software_gpu()
            running = start(target, programs(target), [tiny[target]], software_gpu=True)
            browser = stack.enter_context(running)
            browser.driver.set_script_timeout(SCRIPT_DEADLINE_S)
            desk = Desk(browser)
            by_engine = _ask(desk)
            assert all(name.startswith("engine") for name in _running(desk)), "a GPU went first"
            until(
                browser.driver,
                "the GPU runs both models, or was given up",
                lambda: all(GPU in name for name in _running(desk)) or _demoted(desk),
                TAKEOVER_DEADLINE_S,
            )
            return Served(browser, desk, by_engine)

        yield serving


@pytest.mark.parametrize("name", TARGETS)
def test_a_gpu_takes_over_and_says_the_same_as_the_engine(
    name: TargetName, served: Callable[[TargetName], Served]
) -> None:
    this = served(name)
    assert _demoted(this.desk) == []
    assert all(GPU in backend for backend in _running(this.desk))
    _assert_same(_ask(this.desk), this.by_engine)
    assert all(GPU in backend for backend in _running(this.desk)), "it did not last"


def test_a_gpu_that_is_lost_in_the_middle_of_a_suggestion_costs_nobody_the_answer(
    served: Callable[[TargetName], Served],
) -> None:
    """In Chromium, which has a process for the GPU that can be ended; Firefox has none on Linux."""
    this = served("chrome")
    driver, desk = this.browser.driver, this.desk
    assert isinstance(this.browser, Chromium)
    assert all(GPU in backend for backend in _running(desk))
    question = _suggestion(LONG_PROMPT, 32)
    (on_gpu,) = desk.ask([question])
    with desk.open():
        ask_later(driver, _suggestion(LONG_PROMPT + " ", 32))
        answered = partial(answered_later, driver)
        never(driver, "so short a suggestion", answered, on_gpu.ms / 4000)
        this.browser.crash_gpu()
        assert answered() is None, "it came before the GPU was lost"
        said = until(driver, "an answer all the same", answered)
    assert said is not None
    assert "error" not in said, said
    (by_engine,) = desk.ask([_suggestion(LONG_PROMPT + " ", 32)])
    assert _text(said["res"]) == _text(by_engine.res)
    _assert_same(_ask(desk), this.by_engine)
    assert all(backend.startswith("engine") for backend in _running(desk))
    assert _demoted(desk) == [(BACKEND, "lost")] * 2


@pytest.mark.parametrize("name", TARGETS)
def test_without_a_gpu_the_engine_goes_on_and_the_options_page_says_why(
    name: TargetName,
    tiny: Mapping[TargetName, Path],
    programs: Callable[[TargetName], Programs],
) -> None:
    with start(name, programs(name), [tiny[name]]) as browser:
        browser.driver.set_script_timeout(SCRIPT_DEADLINE_S)
        desk = Desk(browser)
        before = _ask(desk)
        _wait_demoted(browser, desk)
        assert _demoted(desk) == [(BACKEND, "unavailable")] * 2
        assert all(backend.startswith("engine") for backend in _running(desk))
        assert _ask(desk) == before
        browser.driver.get(browser.url("ui/options.html"))
        models = partial(by_id, browser.driver, "models")
        until(browser.driver, "it says so", lambda: models().text.count(GPU) >= 2)


def test_a_gpu_that_computes_wrongly_never_serves(
    root: Path,
    tmp_path: Path,
    programs: Callable[[TargetName], Programs],
) -> None:
    """In Firefox, where software is quicker; the backend is the same code in both."""
    install_software_gpu()
    packages = build_for_gpus(root, tmp_path, ("firefox",), liar=BACKEND)
    package = packages["firefox"]
    with start("firefox", programs("firefox"), [package], software_gpu=True) as browser:
        browser.driver.set_script_timeout(SCRIPT_DEADLINE_S)
        desk = Desk(browser)
        before = _ask(desk)
        _wait_demoted(browser, desk)
        assert _demoted(desk) == [(BACKEND, "wrong")] * 2
        assert all(backend.startswith("engine") for backend in _running(desk))
        assert _ask(desk) == before


def _wait_demoted(browser: Browser, desk: Desk) -> None:
    until(
        browser.driver,
        "both models have tried the GPU",
        lambda: len(_demoted(desk)) == 2,
        TAKEOVER_DEADLINE_S,
    )
