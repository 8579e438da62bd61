"""Every error that extbuild raises on purpose.

::

    ExtbuildError
    ├── UserError        a person can mend it: one line, exit code 1, no traceback
    │   ├── ConfigError      pyproject.toml or a recipe
    │   ├── SourceError      a model directory: missing, truncated or contradictory files
    │   ├── CompressError    a pass cannot run on this model as it is configured
    │   ├── QualityError     the compressed model fell through its gate or its budget
    │   ├── CompileError     the graph uses what no backend has
    │   ├── ShardError       a shard is missing, changed, or does not fit its plan
    │   ├── BundleError      the unpacked extension cannot be put together
    │   ├── PackageError     the archive would not be accepted by a browser or a store
    │   ├── DataError        evaluation or training data that cannot be read
    │   ├── ToolError        a program that extbuild runs is missing or failed
    │   └── StorageError     the disk is full, read-only or not ours to write
    └── ContractError    a pass or stage broke its promise: our bug, keeps its traceback
"""

from collections.abc import Callable
from functools import partial


class ExtbuildError(Exception):
    """Base of everything that extbuild raises on purpose."""


class UserError(ExtbuildError):
    """An error that the person at the keyboard can mend.

    ``place`` names a file and, where there is one, the key or tensor inside it; ``wrong`` says what
    the rule is; ``found`` what was there instead; ``do`` the next step.
    The text reads ``place: wrong, got found; do``.
    """

    def __init__(self, place: str, wrong: str, *, found: str = "", do: str = "") -> None:
        self.place, self.wrong, self.found, self.do = place, wrong, found, do
        text = f"{place}: {wrong}"
        if found:
            text += f", got {found}"
        if do:
            text += f"; {do}"
        super().__init__(text)

    def __reduce__(self) -> tuple[Callable[..., "UserError"], tuple[str, str]]:
        """Rebuilt from its parts, so that it comes back whole from another process."""
        return partial(type(self), found=self.found, do=self.do), (self.place, self.wrong)


class ConfigError(UserError):
    """A value in pyproject.toml or in a recipe is missing, unknown or impossible."""


class SourceError(UserError):
    """A model directory lacks a file, or its files contradict one another."""


class CompressError(UserError):
    """A compress pass cannot run on this model with these settings."""


class QualityError(UserError):
    """The compressed model is worse, or larger, than its recipe allows."""


class CompileError(UserError):
    """The graph holds something that no backend of the extension can run."""


class ShardError(UserError):
    """A shard on disk is not the one that was planned and written."""


class BundleError(UserError):
    """The unpacked extension cannot be put together."""


class PackageError(UserError):
    """The archive breaks a rule of a browser or a store."""


class DataError(UserError):
    """Evaluation or training data is missing or malformed."""


class ToolError(UserError):
    """An external program is missing, or ended with a failure."""


class StorageError(UserError):
    """Files cannot be written: full disk, permissions, read-only place."""


class ContractError(ExtbuildError):
    """A pass or stage did not keep its promise. A bug of ours, so it keeps its traceback."""
