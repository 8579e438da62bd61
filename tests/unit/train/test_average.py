import pytest
import torch
from torch import nn

from extbuild.train.average import WeightAverage


def network(value: float) -> nn.Linear:
    made = nn.Linear(2, 1, bias=False)
    set_to(made, value)
    return made


def set_to(net: nn.Linear, value: float) -> None:
    with torch.no_grad():
        net.weight.fill_(value)


def averaged(average: WeightAverage, net: nn.Linear) -> float:
    with average.applied():
        return net.weight[0, 0].item()


def test_the_average_lies_among_the_last_weights() -> None:
    net = network(0.0)
    average = WeightAverage(net, 0.9)
    for step in range(200):
        set_to(net, float(step))
        average.update()
    # A mean age of decay / (1 - decay) steps.
    assert averaged(average, net) == pytest.approx(199 - 9, abs=0.1)
    assert net.weight[0, 0].item() == 199.0


def test_the_start_is_soon_forgotten() -> None:
    net = network(100.0)
    average = WeightAverage(net, 0.9999)
    set_to(net, 1.0)
    for _ in range(50):
        average.update()
    assert averaged(average, net) == pytest.approx(1.0, abs=0.01)


def test_the_average_can_be_kept() -> None:
    net = network(0.0)
    average = WeightAverage(net, 0.5)
    set_to(net, 8.0)
    average.update()
    average.keep()
    assert 0 < net.weight[0, 0].item() < 8


def test_an_average_goes_on_from_its_state() -> None:
    net = network(0.0)
    first, second = WeightAverage(net, 0.9), WeightAverage(net, 0.9)
    for step in range(5):
        set_to(net, float(step))
        first.update()
    second.load(first.state())
    set_to(net, 7.0)
    first.update()
    second.update()
    assert averaged(first, net) == averaged(second, net)


def test_a_decay_of_one_would_never_learn() -> None:
    with pytest.raises(ValueError, match="decay"):
        WeightAverage(network(0.0), 1.0)
