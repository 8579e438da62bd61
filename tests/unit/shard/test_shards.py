import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extbuild.artifacts import CompiledModel, ShardedModel
from extbuild.bundle.runtime import RuntimeModel, make_runtime, runtime_text
from extbuild.errors import ShardError
from extbuild.shard.plan import plan_shards
from extbuild.shard.verify import verify_package
from extbuild.shard.write import write_model

WEIGHTS = bytes(range(256)) * 10
ENCODER = {
    "labels": ("toxic",),
    "thresholds": {"toxic": 0.5},
    "max_tokens": 64,
    "batch_tokens": 256,
    "pad_id": 0,
}


@given(weights=st.integers(0, 10_000), limit=st.integers(1, 3_000))
def test_shards_cover_the_weights_without_hole_or_overlap(weights: int, limit: int) -> None:
    plan = plan_shards(weights, limit)
    ends = [0, *(piece.offset + piece.bytes for piece in plan)]
    assert [piece.offset for piece in plan] == ends[:-1]
    assert ends[-1] == weights
    assert all(0 < piece.bytes <= limit for piece in plan)
    assert len({piece.file for piece in plan}) == len(plan)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An unpacked package with one model of three shards."""
    sharded = _sharded(tmp_path / "models/moderation", max_shard_bytes=1000)
    runtime = make_runtime("Sidelight", "1.0", [RuntimeModel(sharded, 7, ENCODER)])
    (tmp_path / "runtime.json").write_text(runtime_text(runtime))
    return tmp_path


def _sharded(directory: Path, max_shard_bytes: int) -> ShardedModel:
    model = CompiledModel("moderation", "moderation", b"graph", WEIGHTS, b"{}", {})
    return write_model(model, directory, max_shard_bytes)


def test_a_written_model_is_the_plan_on_disk(tmp_path: Path) -> None:
    sharded = _sharded(tmp_path, max_shard_bytes=1000)
    assert [shard.bytes for shard in sharded.shards] == [1000, 1000, 560]
    blob = b"".join((tmp_path / shard.file).read_bytes() for shard in sharded.shards)
    assert blob == WEIGHTS
    assert sharded.packed_bytes == len(WEIGHTS) + len(b"graph") + len(b"{}")


def test_the_models_hash_names_its_content(tmp_path: Path) -> None:
    first = _sharded(tmp_path / "a", max_shard_bytes=1000)
    assert _sharded(tmp_path / "b", max_shard_bytes=1000).sha256 == first.sha256
    assert _sharded(tmp_path / "c", max_shard_bytes=900).sha256 != first.sha256


def test_an_untouched_package_is_accepted(package: Path) -> None:
    assert verify_package(package) == len(WEIGHTS) + len(b"graph") + len(b"{}")


def _flip_a_bit(package: Path) -> None:
    shard = package / "models/moderation/weights-001.bin"
    data = bytearray(shard.read_bytes())
    data[500] ^= 1
    shard.write_bytes(data)


def _truncate(package: Path) -> None:
    shard = package / "models/moderation/weights-002.bin"
    shard.write_bytes(shard.read_bytes()[:-1])


def _remove(package: Path) -> None:
    (package / "models/moderation/weights-000.bin").unlink()


def _add(package: Path) -> None:
    (package / "models/moderation/weights-003.bin").write_bytes(b"more")


def _change_tokenizer(package: Path) -> None:
    (package / "models/moderation/tokenizer.json").write_bytes(b"[]")


def _edit_runtime(package: Path, edit: Callable[[dict[str, object]], None]) -> None:
    file = package / "runtime.json"
    runtime = json.loads(file.read_text())
    edit(runtime["models"]["moderation"]["files"])
    file.write_text(json.dumps(runtime))


def _make_hole(package: Path) -> None:
    def edit(files: dict[str, object]) -> None:
        shards = files["shards"]
        assert isinstance(shards, list)
        shards[1]["offset"] += 8

    _edit_runtime(package, edit)


def _overlap(package: Path) -> None:
    def edit(files: dict[str, object]) -> None:
        shards = files["shards"]
        assert isinstance(shards, list)
        shards[1]["offset"] -= 8

    _edit_runtime(package, edit)


def _promise_more(package: Path) -> None:
    _edit_runtime(package, lambda files: files.update(weights_bytes=len(WEIGHTS) + 1))


def _unknown_key(package: Path) -> None:
    _edit_runtime(package, lambda files: files.update(wheights=1))


DAMAGE = [
    (_flip_a_bit, "weights-001.bin: changed since it was written: SHA-256 must be"),
    (_truncate, "weights-002.bin: must have 560 bytes (560 B), got 559"),
    (_remove, "weights-000.bin: missing"),
    (_add, "weights-003.bin: not named by runtime.json"),
    (_change_tokenizer, "tokenizer.json: changed since it was written"),
    (_make_hole, "weights-001.bin: leaves a hole: it must begin at byte 1000, got 1008"),
    (_overlap, "weights-001.bin: overlaps the one before it: it must begin at byte 1000, got 992"),
    (_promise_more, "the shards must hold 2561 bytes of weights, got 2560"),
    (_unknown_key, "runtime.json: not a runtime description"),
]


@pytest.mark.parametrize(
    ("damage", "says"), DAMAGE, ids=[damage.__name__[1:] for damage, _ in DAMAGE]
)
def test_a_damaged_package_is_refused_with_its_file(
    package: Path, damage: Callable[[Path], None], says: str
) -> None:
    damage(package)
    with pytest.raises(ShardError) as caught:
        verify_package(package)
    assert says in str(caught.value)
    assert "./inv build" in str(caught.value)
