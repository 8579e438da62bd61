from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from extbuild.errors import DataError
from extbuild.train.initial import load_weights, read_weights


def test_weights_are_read_as_float32_and_copied_by_name(tmp_path: Path) -> None:
    stored = torch.randn(2, 3).half()
    save_file({"weight": stored, "other": torch.ones(1)}, tmp_path / "model.safetensors")
    network = nn.Linear(3, 2, bias=False)
    load_weights(network, read_weights(tmp_path), str(tmp_path))
    torch.testing.assert_close(network.weight.detach(), stored.float(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("tensors", "found"),
    [({"weight": torch.ones(2, 4)}, r"\(2, 4\)"), ({"other": torch.ones(1)}, "nothing")],
)
def test_weights_that_do_not_fit_are_named(
    tmp_path: Path, tensors: dict[str, torch.Tensor], found: str
) -> None:
    network = nn.Linear(3, 2, bias=False)
    with pytest.raises(DataError, match=rf"place: weight: .*\(2, 3\).*{found}"):
        load_weights(network, tensors, "place")


def test_a_directory_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"model\.safetensors"):
        read_weights(tmp_path)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"no tensors in here")
    with pytest.raises(DataError, match="must be a safetensors file"):
        read_weights(tmp_path)
