"""A package of tiny models that want a GPU, and software that passes for one."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from selenium.webdriver.remote.webdriver import WebDriver

from extbuild.artifacts import TargetName
from extbuild.browsers.engine import Call
from extbuild.browsers.programs import ThisMachine
from extbuild.config.load import load_project
from extbuild.errors import ToolError
from extbuild.pipeline import Tools, build
from extbuild.process import find_node, run
from extbuild.progress import Silent, Stages
from extbuild.source.synthetic import write_tiny, write_tiny_fixtures

# Mesa's Vulkan driver for CPUs, by which Firefox has WebGPU; Chromium brings one of its own.
_DRIVERS = Path("/usr/share/vulkan/icd.d")
_DEBIAN = ("mesa-vulkan-drivers", "libvulkan1")

_PYPROJECT = """\
[project]
version = "9.8.7"

[tool.extbuild]
name = "Tiny"
description = "What it does."
models = ["moderation", "completion"]
targets = {targets}
firefox_id = "tiny@example.org"
chrome_min_version = "116"
firefox_min_version = "140.0"
{more}"""

_RECIPE = """\
name = "{task}"
task = "{task}"

[[passes]]
name = "fold_constants"
{passes}
[budget]
max_packed_bytes = 2_000_000

[runtime]
webgpu = "always"

{policy}"""

# Float32 here, and 4 bits there: with the two, every kernel that products have is run.
_FOUR_BITS = """
[[passes]]
name = "tie_embeddings"

[[passes]]
name = "block_4bit"
"""
_MODERATION = """\
[moderation]
max_tokens = 32

[moderation.thresholds]
toxic = 0.5
severe_toxic = 0.5
obscene = 0.5
threat = 0.5
insult = 0.5
identity_hate = 0.5
"""
_COMPLETION = """\
[completion]
min_confidence = 0.01
context_tokens = 64
max_new_tokens = 16
max_words = 32
"""

# The port is that of extbuild/browsers/engine.py, on a page that has asked something before.
_ASK = """
const [name, req] = arguments;
const line = window.extbuildPort;
const id = line.next++;
window.extbuildLater = null;
line.waiting.set(id, (message) => { window.extbuildLater = message; });
line.port.postMessage({ kind: "call", id, name, req });
"""


def build_for_gpus(
    root: Path, directory: Path, targets: tuple[TargetName, ...], liar: str | None = None
) -> Mapping[TargetName, Path]:
    """Build tiny models with ``webgpu = "always"`` into the empty ``directory``.

    The compiled engine is copied from the cache of the project in ``root``, if it is there.
    """
    for name in ("LICENSE", "extension_src"):
        (directory / name).symlink_to(root / name)
    for entry in (root / ".extbuild/cache").glob("engine-*"):
        shutil.copytree(entry, directory / ".extbuild/cache" / entry.name)
    more = "" if liar is None else f'lying_backend = "{liar}"\n'
    (directory / "pyproject.toml").write_text(
        _PYPROJECT.format(targets=str([*targets]).replace("'", '"'), more=more)
    )
    _write_model(directory, "moderation", "bert", "", _MODERATION)
    _write_model(directory, "completion", "llama", _FOUR_BITS, _COMPLETION)
    report = build(load_project(directory), Tools(find_node(), run), Stages(Silent()))
    return {package.target: directory / "dist" / package.file for package in report.packages}


def _write_model(
    directory: Path,
    task: Literal["moderation", "completion"],
    family: Literal["bert", "llama"],
    passes: str,
    policy: str,
) -> None:
    folder = directory / "models" / task
    write_tiny(folder / "source", family, seed=1)
    write_tiny_fixtures(folder / "fixtures/eval.jsonl", task)
    recipe = _RECIPE.format(task=task, passes=passes, policy=policy)
    (folder / "recipe.toml").write_text(recipe)


def install_software_gpu() -> None:
    """Make sure that Firefox finds a Vulkan driver that needs no GPU."""
    if any(_DRIVERS.glob("lvp_icd*.json")) or ThisMachine(run).apt_install(_DEBIAN):
        return
    raise ToolError(
        "Vulkan",
        "must have a driver that computes on the CPU, to test WebGPU in Firefox",
        found=f"no lvp_icd*.json in {_DRIVERS}",
        do=f"install {' and '.join(_DEBIAN)}",
    )


def ask_later(driver: WebDriver, call: Call) -> None:
    """Make a call from the current page and do not wait for it."""
    driver.execute_script(_ASK, call.name, dict(call.req))


def answered_later(driver: WebDriver) -> Mapping[str, object] | None:
    """The answer's message, if there is one."""
    found = driver.execute_script("return window.extbuildLater")
    return cast("Mapping[str, object] | None", found)
