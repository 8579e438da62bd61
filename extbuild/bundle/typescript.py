"""TypeScript types of ``runtime.json``, generated from the pydantic models.

Docstrings become comments, so that a reader of the extension finds units and meaning there too.
``inv generate`` writes the file; a test of the repository compares it.
"""

import inspect
import re
from collections.abc import Mapping
from types import UnionType
from typing import Literal, Union, get_args, get_origin

from pydantic import BaseModel

from extbuild.config.runtime import (
    CompletionRuntime,
    EngineModel,
    EngineVariants,
    FileEntry,
    ModelFiles,
    Models,
    ModerationRuntime,
    OrtModel,
    Runtime,
    ShardEntry,
    WeightsBlob,
)

OUTPUT = "extension_src/src/generated/runtime.ts"

_MODELS: tuple[type[BaseModel], ...] = (
    FileEntry,
    ShardEntry,
    WeightsBlob,
    EngineModel,
    OrtModel,
    ModelFiles,
    ModerationRuntime,
    CompletionRuntime,
    Models,
    EngineVariants,
    Runtime,
)
_PLAIN: Mapping[object, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
_HEADER = """\
// Made from extbuild/config/runtime.py by `inv generate`. Do not edit: a test compares the two.
"""


def runtime_types() -> str:
    """The text of ``generated/runtime.ts``."""
    return _HEADER + "".join(f"\n{interface(model)}" for model in _MODELS)


def interface(model: type[BaseModel]) -> str:
    """One interface with readonly members, under the model's docstring."""
    comment = "\n".join(
        f" * {line}".rstrip() for line in _prose(inspect.getdoc(model) or "").splitlines()
    )
    members = "".join(
        f"  readonly {name}: {type_text(field.annotation)};\n"
        for name, field in model.model_fields.items()
    )
    return f"/**\n{comment}\n */\nexport interface {model.__name__} {{\n{members}}}\n"


def type_text(annotation: object) -> str:
    """A Python type as TypeScript: ``tuple[int, ...]`` becomes ``readonly number[]``."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.__name__
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Literal:
        return " | ".join(
            f'"{value}"' if isinstance(value, str) else str(value).lower() for value in arguments
        )
    if origin in (Union, UnionType):
        return " | ".join(type_text(member) for member in arguments)
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return f"readonly {type_text(arguments[0])}[]"
    if origin is dict and arguments[0] is str:
        return f"{{ readonly [key: string]: {type_text(arguments[1])} }}"
    raise TypeError(f"no TypeScript for {annotation!r}: extend extbuild/bundle/typescript.py")


def _prose(docstring: str) -> str:
    """A docstring with single back quotes, as TSDoc writes code."""
    return re.sub(r"``", "`", docstring)
