from pathlib import Path

import numpy as np
import pytest

from extbuild.bench.random_models import (
    MINILM_L6,
    SMOLLM2_135M,
    SWEEP,
    DecoderSizes,
    EncoderSizes,
    Sizes,
    random_tensors,
    write_random_model,
)
from extbuild.source.load import load_source

TINY = (
    DecoderSizes("tiny decoder", 32, 2, 4, 2, 64, 512),
    EncoderSizes("tiny encoder", 32, 2, 4, 64, 512),
)


@pytest.mark.parametrize("sizes", TINY, ids=lambda sizes: sizes.task)
def test_a_random_model_is_a_directory_like_any_other(sizes: Sizes, tmp_path: Path) -> None:
    write_random_model(sizes, tmp_path)
    assert load_source(tmp_path, "random", sizes.task).params == sizes.params


def test_shapes_have_the_parameters_that_their_names_say() -> None:
    assert round(SMOLLM2_135M.params / 1e6) == 135
    assert round(MINILM_L6.params / 1e6) == 23
    assert [round(sizes.params / 1e6) for sizes in SWEEP] == [5, 14, 46, 135, 362]


def test_weights_repeat_for_a_seed_and_differ_between_seeds() -> None:
    one, same, other = (dict(random_tensors(TINY[0], seed)) for seed in (1, 1, 2))
    name = "model.embed_tokens.weight"
    assert np.array_equal(one[name], same[name])
    assert not np.array_equal(one[name], other[name])


def test_the_floor_multiplies_by_every_matrix_of_a_step() -> None:
    values = sum(rows * cols for rows, cols in TINY[0].matrices())
    norms = (2 * TINY[0].layers + 1) * TINY[0].hidden
    assert values == TINY[0].params - norms
