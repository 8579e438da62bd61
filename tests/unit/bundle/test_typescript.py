from typing import Literal

import pytest
from pydantic import BaseModel

from extbuild.bundle.typescript import interface, runtime_types, type_text


class Inner(BaseModel):
    """An inner value."""

    size: int


class Outer(BaseModel):
    """A value with ``code`` in its first line.

    And a second paragraph.
    """

    kind: Literal["a", "b"]
    inner: Inner | None
    table: dict[str, float]
    rows: tuple[Inner, ...]


def test_an_interface_has_the_models_members_and_its_docstring() -> None:
    assert interface(Outer) == (
        "/**\n"
        " * A value with `code` in its first line.\n"
        " *\n"
        " * And a second paragraph.\n"
        " */\n"
        "export interface Outer {\n"
        '  readonly kind: "a" | "b";\n'
        "  readonly inner: Inner | null;\n"
        "  readonly table: { readonly [key: string]: number };\n"
        "  readonly rows: readonly Inner[];\n"
        "}\n"
    )


def test_every_model_of_the_runtime_is_there_once() -> None:
    text = runtime_types()
    names = ["FileEntry", "ShardEntry", "ModelFiles", "Models", "Runtime"]
    assert [text.count(f"export interface {name} {{") for name in names] == [1] * len(names)


def test_a_type_without_a_translation_is_refused() -> None:
    with pytest.raises(TypeError, match="no TypeScript for"):
        type_text(set[int])
