from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from extbuild.config.load import load_project
from extbuild.errors import ConfigError

PYPROJECT = """\
[project]
version = "1.2.3"

[tool.extbuild]
name = "Sidelight"
description = "What it does."
models = ["moderation", "completion"]
targets = ["chrome", "firefox"]
max_shard_bytes = 1_000_000
firefox_id = "sidelight@example.org"
chrome_min_version = "116"
firefox_min_version = "140.0"
"""

MODERATION = """\
name = "moderation"
task = "moderation"

[[passes]]
name = "fold_constants"

[[passes]]
name = "block_4bit"
block = 64

[budget]
max_packed_bytes = 1_000_000

[moderation.thresholds]
toxic = 0.5
threat = 0.4
"""

COMPLETION = """\
name = "completion"
task = "completion"
passes = [{ name = "dynamic_int8" }]
budget = { max_packed_bytes = 1_000_000 }
completion = { min_confidence = 0.3 }
"""

CONFIG_JSON = '{"id2label": {"0": "toxic", "1": "threat"}}'

FILES = {
    "pyproject.toml": PYPROJECT,
    "models/moderation/recipe.toml": MODERATION,
    "models/moderation/source/config.json": CONFIG_JSON,
    "models/completion/recipe.toml": COMPLETION,
}

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_files(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write_files


def test_a_project_is_read_into_frozen_values(write: Write) -> None:
    project = load_project(write(FILES))
    assert project.version == "1.2.3"
    assert project.extension.targets == ("chrome", "firefox")
    assert [entry.name for entry in project.models] == ["moderation", "completion"]
    moderation = project.model("moderation")
    assert moderation.source_directory == project.root / "models/moderation/source"
    assert moderation.recipe.passes[1].name == "block_4bit"


def test_what_is_not_said_about_running_has_a_default(write: Write) -> None:
    changed = PYPROJECT.replace("max_shard_bytes", "# ")
    project = load_project(write({**FILES, "pyproject.toml": changed}))
    extension = project.extension
    assert (extension.max_shard_bytes, extension.idle_unload_seconds) == (1 << 20, 300)
    assert (extension.engine, extension.lying_backend) == (True, None)
    assert project.model("moderation").recipe.runtime.webgpu == "never"


def test_a_package_may_have_one_feature_alone(write: Write) -> None:
    alone = PYPROJECT.replace('["moderation", "completion"]', '["completion"]')
    project = load_project(write({**FILES, "pyproject.toml": alone}))
    assert [entry.name for entry in project.models] == ["completion"]


# (file, text in it, text instead of it, what the error says)
BROKEN = [
    (
        "models/moderation/recipe.toml",
        "block = 64",
        "blok = 64",
        "models/moderation/recipe.toml: passes[1].blok: unknown key, got 'blok'; "
        "did you mean 'block'?",
    ),
    (
        "models/moderation/recipe.toml",
        "block = 64",
        "block = 100",
        "models/moderation/recipe.toml: passes[1].block: must be one of 32, 64 or 128, got 100",
    ),
    (
        "models/moderation/recipe.toml",
        '"block_4bit"',
        '"block_4bits"',
        "models/moderation/recipe.toml: passes[1]: unknown name, got 'block_4bits'; "
        "did you mean 'block_4bit'?",
    ),
    (
        "models/moderation/recipe.toml",
        '"block_4bit"',
        '"fold_constants"',
        "models/moderation/recipe.toml: passes[1].block: unknown key, got 'block'",
    ),
    (
        "models/moderation/recipe.toml",
        "max_packed_bytes",
        "max_package_bytes",
        "models/moderation/recipe.toml: budget.max_package_bytes: unknown key, "
        "got 'max_package_bytes'; did you mean 'max_packed_bytes'?",
    ),
    (
        "models/moderation/recipe.toml",
        "1_000_000",
        "0",
        "models/moderation/recipe.toml: budget.max_packed_bytes: must be greater than 0, got 0",
    ),
    (
        "models/moderation/recipe.toml",
        "[budget]\nmax_packed_bytes = 1_000_000\n",
        "",
        "models/moderation/recipe.toml: budget: required key is missing; add budget = …",
    ),
    (
        "models/moderation/recipe.toml",
        "toxic = 0.5",
        "toxic = 1.5",
        "models/moderation/recipe.toml: moderation.thresholds.toxic: must be less than or equal "
        "to 1, got 1.5",
    ),
    (
        "models/moderation/recipe.toml",
        "toxic = 0.5",
        "toxik = 0.5",
        "models/moderation/recipe.toml: moderation.thresholds.toxik: no label of "
        "source/config.json (id2label); did you mean 'toxic'?",
    ),
    (
        "models/moderation/recipe.toml",
        "threat = 0.4\n",
        "",
        "models/moderation/recipe.toml: moderation.thresholds.threat: each label needs a "
        "threshold; add it",
    ),
    (
        "models/moderation/recipe.toml",
        'task = "moderation"',
        'task = "completion"',
        "models/moderation/recipe.toml: moderation: the block [moderation] does not fit this task, "
        "got task = 'completion'; remove it, or change task",
    ),
    (
        "models/moderation/recipe.toml",
        'name = "moderation"',
        'name = "moderator"',
        "models/moderation/recipe.toml: name: must be the name of the folder, got 'moderator'; "
        "write name = 'moderation'",
    ),
    (
        "models/moderation/recipe.toml",
        "[moderation.thresholds]",
        "[gates.mean_ouch]\nmax_drop = 0.1\n\n[moderation.thresholds]",
        "models/moderation/recipe.toml: gates.mean_ouch: unknown metric",
    ),
    (
        "models/moderation/recipe.toml",
        "[moderation.thresholds]",
        "[gates.auc_mean]\nmax_drop = 0.1\nmax_rise = 0.1\n\n[moderation.thresholds]",
        "models/moderation/recipe.toml: gates.auc_mean: takes max_drop alone: more is better",
    ),
    (
        "models/moderation/recipe.toml",
        "[[passes]]",
        "[[passes]",
        "models/moderation/recipe.toml:4:9: not valid TOML: expected ']]'",
    ),
    (
        "models/completion/recipe.toml",
        "completion = { min",
        "gates = { bits_per_byte = { max_drop = 0.1 } }\ncompletion = { min",
        "models/completion/recipe.toml: gates.bits_per_byte: takes max_rise alone: less is better",
    ),
    (
        "models/completion/recipe.toml",
        "completion = { min_confidence = 0.3 }\n",
        "",
        "models/completion/recipe.toml: completion: the block [completion] is needed for this task",
    ),
    (
        "models/completion/recipe.toml",
        'passes = [{ name = "dynamic_int8" }]',
        'passes = [{ name = "dynamic_int8" }, { name = "dynamic_int8" }]',
        "models/completion/recipe.toml: passes[1].name: a pass runs once, got 'dynamic_int8'",
    ),
    (
        "models/moderation/source/config.json",
        '"id2label"',
        '"labels"',
        "models/moderation/source/config.json: id2label: must map each logit's index to its label",
    ),
    (
        "pyproject.toml",
        '"chrome", "firefox"',
        '"chrome", "firefx"',
        "pyproject.toml: tool.extbuild.targets[1]: must be one of 'chrome' or 'firefox', "
        "got 'firefx'; did you mean 'firefox'?",
    ),
    (
        "pyproject.toml",
        '"chrome", "firefox"',
        '"chrome", "chrome"',
        "pyproject.toml: tool.extbuild.targets: must name each browser once, 'chrome' stands "
        "there 2 times",
    ),
    (
        "pyproject.toml",
        '"Sidelight"',
        '"…/…"',
        "pyproject.toml: tool.extbuild.name: needs a letter of a to z or a digit",
    ),
    (
        "models/moderation/recipe.toml",
        "threat = 0.4",
        "threat = nan",
        "moderation.thresholds.threat: must be a finite number, got nan",
    ),
    (
        "models/completion/recipe.toml",
        "completion = { min",
        "gates = { bits_per_byte = { max_rise = inf } }\ncompletion = { min",
        "gates.bits_per_byte.max_rise: must be a finite number, got inf",
    ),
    (
        "models/completion/recipe.toml",
        'task = "completion"',
        'task = "embedding"',
        "models/completion/recipe.toml: task: must be moderation or completion: the extension "
        "has no use for another, got 'embedding'; take the model out of [tool.extbuild] models",
    ),
    (
        "models/completion/recipe.toml",
        '{ name = "dynamic_int8" }',
        '{ name = "dynamic_int8", weight_bits = 6 }',
        "models/completion/recipe.toml: passes[0].weight_bits: ",
    ),
    (
        "pyproject.toml",
        "sidelight@example.org",
        "sidelight",
        "pyproject.toml: tool.extbuild.firefox_id: ",
    ),
    (
        "pyproject.toml",
        "max_shard_bytes = 1_000_000",
        "max_shard_bytes = 200_000_000",
        "pyproject.toml: tool.extbuild.max_shard_bytes: must be less than or equal to 104857600",
    ),
    (
        "pyproject.toml",
        "max_shard_bytes = 1_000_000",
        'lying_backend = "engine-simmd"',
        "got 'engine-simmd'; did you mean 'engine-simd'?",
    ),
    (
        "pyproject.toml",
        "max_shard_bytes = 1_000_000",
        "idle_unload_seconds = 0",
        "tool.extbuild.idle_unload_seconds: must be greater than or equal to 1, got 0",
    ),
    (
        "models/completion/recipe.toml",
        "completion = {",
        'runtime = { webgpu = "sometimes" }\ncompletion = {',
        "recipe.toml: runtime.webgpu: must be one of 'never', 'measure' or 'always'",
    ),
    (
        "pyproject.toml",
        '["moderation", "completion"]',
        '["moderation", "completions"]',
        "pyproject.toml: tool.extbuild.models: 'completions' needs "
        "models/completions/recipe.toml, which is missing; did you mean 'completion'?",
    ),
    (
        "pyproject.toml",
        '"1.2.3"',
        '"1.2.3rc1"',
        "pyproject.toml: project.version: browsers take one to four numbers of 0 to 65535, "
        "got '1.2.3rc1'",
    ),
    (
        "pyproject.toml",
        "[tool.extbuild]",
        "[tool.extbuilt]",
        "the table [tool.extbuild] is missing",
    ),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "says"), BROKEN, ids=[case[2][:40] for case in BROKEN]
)
def test_a_wrong_value_is_named_with_its_file_and_key(
    write: Write, file: str, old: str, new: str, says: str
) -> None:
    assert old in FILES[file]
    root = write({**FILES, file: FILES[file].replace(old, new, 1)})
    with pytest.raises(ConfigError) as caught:
        load_project(root)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Sidelight", "sidelight"), ("Side & Light 2!", "side-light-2"), ("../a/b", "a-b")],
)
def test_a_name_becomes_the_beginning_of_a_file_name(write: Write, name: str, slug: str) -> None:
    root = write({**FILES, "pyproject.toml": PYPROJECT.replace("Sidelight", name)})
    assert load_project(root).extension.slug == slug


def test_two_models_of_one_task_are_refused(write: Write) -> None:
    pyproject = PYPROJECT.replace('"completion"]', '"other"]')
    other = COMPLETION.replace('name = "completion"', 'name = "other"')
    both = PYPROJECT.replace('["moderation", "completion"]', '["completion", "other"]')
    assert pyproject != PYPROJECT
    root = write({**FILES, "pyproject.toml": both, "models/other/recipe.toml": other})
    with pytest.raises(ConfigError, match="one model per task, but 'completion' and 'other'"):
        load_project(root)


def test_a_folder_without_a_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^pyproject\.toml: missing; run from"):
        load_project(tmp_path)


def test_an_unknown_model_is_answered_with_the_nearest(write: Write) -> None:
    with pytest.raises(ConfigError, match="did you mean 'completion'"):
        load_project(write(FILES)).model("completio")
