import pytest

from extbuild.train.schedule import Every, RunState, Schedule


def at(second: float) -> RunState:
    return RunState(step=1, elapsed_s=second)


def test_the_rate_warms_up_and_comes_down_to_the_floor() -> None:
    schedule = Schedule(budget_s=100, warmup_share=0.1, floor=0.02)
    factors = [schedule.factor(at(second)) for second in range(101)]
    assert factors[5] == pytest.approx(0.5)
    assert max(factors) == factors[10] == pytest.approx(1.0)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[100] == pytest.approx(0.02)


def test_the_first_step_counts() -> None:
    assert 0 < Schedule(budget_s=10).factor(RunState()) < 0.05


def test_the_budget_ends_a_run() -> None:
    schedule = Schedule(budget_s=60)
    assert not schedule.is_over(at(59.9))
    assert schedule.is_over(at(60.0))
    assert schedule.progress(at(90.0)) == 1.0


def test_a_budget_in_steps_does_not_look_at_the_clock() -> None:
    schedule = Schedule(budget_s=60, budget_steps=10)
    assert schedule.progress(RunState(step=5, elapsed_s=1e6)) == 0.5
    assert not schedule.is_over(RunState(step=9, elapsed_s=1e6))
    assert schedule.is_over(RunState(step=10))


@pytest.mark.parametrize(("seconds", "steps"), [(0, 0), (-1, 0), (60, -1)])
def test_no_budget_is_an_error(seconds: float, steps: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Schedule(budget_s=seconds, budget_steps=steps)


def test_every_says_yes_once_per_interval() -> None:
    due = Every(10, start_s=100)
    assert [due(t) for t in (100, 109, 110, 111, 125, 134, 135)] == [
        False, False, True, False, True, False, True,
    ]  # fmt: skip
