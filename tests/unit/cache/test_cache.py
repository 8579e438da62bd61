from collections.abc import Mapping
from pathlib import Path

import pytest

from extbuild.cache import Cache, cache_key


class Kitchen:
    """A stage that counts how often it really ran."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, folder: Path) -> Mapping[str, object]:
        self.runs += 1
        (folder / "inner").mkdir()
        (folder / "inner/dish.bin").write_bytes(b"soup")
        return {"run": self.runs}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_a_result_is_made_once_and_found_afterwards(cache: Cache) -> None:
    kitchen = Kitchen()
    made, found = cache.get("stage-1", kitchen), cache.get("stage-1", kitchen)
    assert (made.cached, found.cached, kitchen.runs) == (False, True, 1)
    assert found.value == {"run": 1}
    assert (found.directory / "inner/dish.bin").read_bytes() == b"soup"


def _edit(entry: Path) -> None:
    (entry / "files/inner/dish.bin").write_bytes(b"salt")


def _remove(entry: Path) -> None:
    (entry / "files/inner/dish.bin").unlink()


def _add(entry: Path) -> None:
    (entry / "files/stranger").write_bytes(b"")


def _spoil_the_record(entry: Path) -> None:
    (entry / "entry.json").write_text("{")


@pytest.mark.parametrize("damage", [_edit, _remove, _add, _spoil_the_record])
def test_a_damaged_entry_is_made_again(cache: Cache, tmp_path: Path, damage: object) -> None:
    kitchen = Kitchen()
    cache.get("stage-1", kitchen)
    assert callable(damage)
    damage(tmp_path / "cache/stage-1")
    again = cache.get("stage-1", kitchen)
    assert (again.cached, kitchen.runs) == (False, 2)
    assert (again.directory / "inner/dish.bin").read_bytes() == b"soup"
    assert cache.get("stage-1", kitchen).cached


def test_a_stage_that_fails_leaves_nothing(cache: Cache, tmp_path: Path) -> None:
    def fail(folder: Path) -> Mapping[str, object]:
        (folder / "half").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get("stage-1", fail)
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_entries_used_longest_ago_go_first(tmp_path: Path) -> None:
    def write(folder: Path) -> Mapping[str, object]:
        (folder / "data").write_bytes(b"x" * 1000)
        return {}

    cache = Cache(tmp_path, max_bytes=2500)
    for key in ("stage-a", "stage-b", "stage-c"):
        cache.get(key, write)
    cache.get("stage-a", write)
    cache.prune()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stage-a", "stage-c"]


def test_drafts_of_killed_builds_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".making-1/entry").mkdir(parents=True)
    Cache(tmp_path).prune()
    assert list(tmp_path.iterdir()) == []


def test_a_key_depends_on_stage_inputs_and_code() -> None:
    key = cache_key("compile", {"b": 1, "a": 2}, packages=("extbuild.shard",), libraries=("numpy",))
    same = cache_key(
        "compile", {"a": 2, "b": 1}, packages=("extbuild.shard",), libraries=("numpy",)
    )
    others = [
        cache_key("compress", {"a": 2, "b": 1}, packages=("extbuild.shard",), libraries=("numpy",)),
        cache_key("compile", {"a": 2, "b": 2}, packages=("extbuild.shard",), libraries=("numpy",)),
        cache_key("compile", {"a": 2, "b": 1}, packages=("extbuild.cache",), libraries=("numpy",)),
        cache_key("compile", {"a": 2, "b": 1}, packages=("extbuild.shard",), libraries=("onnx",)),
    ]
    assert key == same
    assert key not in others
    assert len(set(others)) == len(others)
