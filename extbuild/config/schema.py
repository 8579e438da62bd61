"""``[tool.extbuild]`` in pyproject.toml: the extension, its models and its browsers."""

import re
from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, Field

from extbuild.artifacts import TargetName
from extbuild.config.runtime import BackendName, Frozen

_KIB = 1024
_MIB = 1024 * _KIB

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _gives_file_name(name: str) -> str:
    if not _slug(name):
        raise ValueError("needs a letter of a to z or a digit, for the names of the archives")
    return name


def _once_each(targets: tuple[TargetName, ...]) -> tuple[TargetName, ...]:
    for target, count in Counter(targets).items():
        if count > 1:
            raise ValueError(f"must name each browser once, {target!r} stands there {count} times")
    return targets


class ExtensionConfig(Frozen):
    """What is built. The version is ``[project].version``, so that a release has one number.

    ``max_shard_bytes`` caps one weight file; add-on reviewers and Firefox's linter stop at 100 MiB.
    While a model is loaded, its weights and one such file are in memory. A model that nobody asked
    for ``idle_unload_seconds`` is unloaded. Without ``engine`` all models run on ONNX Runtime Web.
    ``lying_backend`` makes a package for tests, in which
    that backend's results are wrong.
    ``firefox_id`` is an add-on id in the form of an e-mail address, or a GUID in braces.
    ``description`` is shown by browsers and stores, which cut it at 132 characters.
    """

    name: Annotated[str, Field(min_length=1, max_length=45), AfterValidator(_gives_file_name)]
    description: Annotated[str, Field(min_length=1, max_length=132)]
    models: Annotated[tuple[Name, ...], Field(min_length=1)]
    targets: Annotated[tuple[TargetName, ...], Field(min_length=1), AfterValidator(_once_each)]
    max_shard_bytes: Annotated[int, Field(ge=64 * _KIB, le=100 * _MIB)] = _MIB
    engine: bool = True
    idle_unload_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    lying_backend: BackendName | None = None
    firefox_id: Annotated[
        str, Field(pattern=r"^([A-Za-z0-9._-]*@[A-Za-z0-9._-]+|\{[0-9a-fA-F-]{36}\})$")
    ]
    chrome_min_version: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){0,3}$")]
    firefox_min_version: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){0,2}$")]

    @property
    def slug(self) -> str:
        """The name as it begins the archives' file names: ``Side & Light`` is ``side-light``."""
        return _slug(self.name)
