"""Reading pyproject.toml and the recipes, once, into values that cannot change."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from extbuild.artifacts import Task
from extbuild.config.recipe import Recipe
from extbuild.config.schema import ExtensionConfig
from extbuild.config.suggest import config_error, did_you_mean
from extbuild.errors import ConfigError

Value = TypeVar("Value", bound=BaseModel)

Better = Literal["more", "less"]

METRICS: Mapping[Task, Mapping[str, Better]] = {
    "moderation": {"auc_mean": "more", "agreement": "more"},
    "completion": {"bits_per_byte": "less", "top1_agreement": "more"},
}
"""Figures that a recipe may gate, as extbuild.evaluate.run.measure gives them, and which way is up.

Moderation also has ``auc_<label>`` for each label.
"""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model folder: `directory` is absolute, `place` is how messages name its recipe."""

    directory: Path
    place: str
    recipe: Recipe

    @property
    def name(self) -> str:
        """The folder's name, which is the recipe's."""
        return self.recipe.name

    @property
    def source_directory(self) -> Path:
        """Where the model as its author gave it lies."""
        return self.directory / self.recipe.source

    @property
    def fixtures(self) -> Path:
        """Texts on which the model is judged before and after compression."""
        return self.directory / self.recipe.fixtures


@dataclass(frozen=True, slots=True)
class Project:
    """Everything that a person configured, checked."""

    root: Path
    version: str
    extension: ExtensionConfig
    models: tuple[ModelEntry, ...]

    def model(self, name: str) -> ModelEntry:
        """The model called `name`."""
        for entry in self.models:
            if entry.name == name:
                return entry
        raise ConfigError(
            "pyproject.toml: tool.extbuild.models",
            "no such model",
            found=repr(name),
            do=did_you_mean(name, [entry.name for entry in self.models]),
        )


def load_project(root: Path) -> Project:
    """The project in `root`; a `ConfigError` names the file and the key that is wrong."""
    root = root.resolve()
    file = "pyproject.toml"
    document = _read_toml(root / file, file)
    project = _table(document, "project", file)
    extension = _checked(
        ExtensionConfig,
        _table(_table(document, "tool", file), "extbuild", file, "tool."),
        file,
        "tool.extbuild",
    )
    models = tuple(_load_model(root, name) for name in extension.models)
    _check_tasks(models)
    return Project(root, _version(project, file), extension, models)


def _read_toml(path: Path, file: str) -> dict[str, object]:
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        raise ConfigError(file, "missing", do="run from the project's folder, or add it") from None
    except OSError as error:
        raise ConfigError(file, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(file, f"must be UTF-8, {error.reason} at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        where = re.search(r"\(at line (\d+), column (\d+)\)", message)
        place = f"{file}:{where[1]}:{where[2]}" if where else file
        reason = message.partition(" (at ")[0]
        raise ConfigError(place, f"not valid TOML: {reason[:1].lower()}{reason[1:]}") from error


def _table(
    document: Mapping[str, object], key: str, file: str, prefix: str = ""
) -> Mapping[str, object]:
    table = document.get(key)
    if not isinstance(table, Mapping):
        raise ConfigError(file, f"the table [{prefix}{key}] is missing", do="add it")
    return table


def _version(project: Mapping[str, object], file: str) -> str:
    """``[project].version`` in the form that both browsers accept: one to four numbers.

    https://developer.chrome.com/docs/extensions/reference/manifest/version: each 0..65535, no
    leading zeros, not all zero. Firefox allows more, so Chrome's rule decides.
    """
    version = project.get("version")
    parts = version.split(".") if isinstance(version, str) else []
    fits = (
        1 <= len(parts) <= 4
        and all(re.fullmatch(r"0|[1-9][0-9]{0,4}", part) for part in parts)
        and 0 < max(map(int, parts)) <= 65535
    )
    if not isinstance(version, str) or not fits:
        raise ConfigError(
            f"{file}: project.version",
            "browsers take one to four numbers of 0 to 65535",
            found=repr(version),
            do="use for instance 1.2.0",
        )
    return version


def _checked(model: type[Value], data: object, file: str, section: str = "") -> Value:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise config_error(file, section, model, data, error) from error


def _load_model(root: Path, name: str) -> ModelEntry:
    place = f"models/{name}/recipe.toml"
    path = root / place
    if not path.exists():
        folders = [found.parent.name for found in (root / "models").glob("*/recipe.toml")]
        raise ConfigError(
            "pyproject.toml: tool.extbuild.models",
            f"{name!r} needs {place}, which is missing",
            do=did_you_mean(name, folders) or "add it",
        )
    recipe = _checked(Recipe, _read_toml(path, place), place)
    entry = ModelEntry(path.parent, place, recipe)
    _check_recipe(entry, name)
    return entry


def _check_recipe(entry: ModelEntry, folder: str) -> None:
    """What no single key can tell: keys that must agree with one another or with files."""
    recipe, place = entry.recipe, entry.place
    if recipe.name != folder:
        raise ConfigError(
            f"{place}: name",
            "must be the name of the folder",
            found=repr(recipe.name),
            do=f"write name = {folder!r}",
        )
    if recipe.task not in METRICS:
        raise ConfigError(
            f"{place}: task",
            f"must be {' or '.join(METRICS)}: the extension has no use for another",
            found=repr(recipe.task),
            do="take the model out of [tool.extbuild] models",
        )
    policies = {"moderation": recipe.moderation, "completion": recipe.completion}
    for task, policy in policies.items():
        if (task == recipe.task) != (policy is not None):
            wrong = "is needed for this task" if policy is None else "does not fit this task"
            raise ConfigError(
                f"{place}: {task}",
                f"the block [{task}] {wrong}",
                found=f"task = {recipe.task!r}",
                do="add it" if policy is None else "remove it, or change task",
            )
    for index, spec in enumerate(recipe.passes):
        if spec.name in [other.name for other in recipe.passes[:index]]:
            raise ConfigError(
                f"{place}: passes[{index}].name", "a pass runs once", found=repr(spec.name)
            )
    _check_gates(entry)
    if recipe.moderation is not None:
        _check_thresholds(entry, recipe.moderation.thresholds)


def _check_gates(entry: ModelEntry) -> None:
    recipe = entry.recipe
    known = dict(METRICS[recipe.task])
    if recipe.moderation is not None:
        known |= {f"auc_{label}": "more" for label in recipe.moderation.thresholds}
    for metric, gate in recipe.gates.items():
        key = f"{entry.place}: gates.{metric}"
        if metric not in known:
            raise ConfigError(key, "unknown metric", do=did_you_mean(metric, known))
        right, wrong = "max_drop", "max_rise"
        if known[metric] == "less":
            right, wrong = wrong, right
        if getattr(gate, wrong) is not None or getattr(gate, right) is None:
            raise ConfigError(
                key, f"takes {right} alone: {known[metric]} is better", do=f"write {right} = …"
            )


def _check_thresholds(entry: ModelEntry, thresholds: Mapping[str, float]) -> None:
    """Thresholds name exactly the labels of config.json; a missing file is the source's error."""
    config = entry.source_directory / "config.json"
    if not config.exists():
        return
    labels = _labels(config, f"models/{entry.name}/{entry.recipe.source}/config.json")
    key = f"{entry.place}: moderation.thresholds"
    for label in thresholds:
        if label not in labels:
            raise ConfigError(
                f"{key}.{label}",
                f"no label of {entry.recipe.source}/config.json (id2label)",
                do=did_you_mean(label, labels),
            )
    for label in labels:
        if label not in thresholds:
            raise ConfigError(f"{key}.{label}", "each label needs a threshold", do="add it")


def _labels(config: Path, place: str) -> list[str]:
    try:
        id2label = json.loads(config.read_bytes())["id2label"]
        return [str(label) for label in id2label.values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{place}: id2label",
            "must map each logit's index to its label",
            do='write for instance "id2label": {"0": "toxic"}',
        ) from error


def _check_tasks(models: tuple[ModelEntry, ...]) -> None:
    seen: dict[Task, str] = {}
    for entry in models:
        if entry.recipe.task in seen:
            raise ConfigError(
                "pyproject.toml: tool.extbuild.models",
                f"one model per task, but {seen[entry.recipe.task]!r} and {entry.name!r} "
                f"both do {entry.recipe.task}",
                do="name one of them",
            )
        seen[entry.recipe.task] = entry.name
