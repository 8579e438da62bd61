import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from extbuild.artifacts import Task
from extbuild.bundle.runtime import Needs
from extbuild.bundle.scripts import (
    bundle_scripts,
    esbuild_options,
    install_packages,
    npm_package,
    plan_scripts,
)
from extbuild.errors import BundleError, ToolError
from extbuild.process import Finished, Node
from extbuild.targets import TARGETS

NODE = Node(Path("/node/bin/node"), Path("/node/npm-cli.js"))
BOTH: tuple[Task, ...] = ("moderation", "completion")
ENGINE = Needs(engine=True, ort=None)
WITH_ORT = Needs(engine=False, ort="wasm")


class FakeRunner:
    """Remembers what it was asked to run and answers with what it was given."""

    def __init__(self, answer: Finished) -> None:
        self.answer = answer
        self.calls: list[tuple[list[str], Path, str]] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> Finished:
        assert env is not None
        assert env["PATH"].startswith("/node/bin")
        self.calls.append((list(argv), cwd, stdin))
        return self.answer


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with the entry points and a lock file."""
    source = tmp_path / "extension_src"
    for script in plan_scripts(TARGETS["chrome"], BOTH, ENGINE):
        path = source / script.source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("export {};\n")
    (source / "package-lock.json").write_text('{"lockfileVersion": 3}')
    return source


def test_each_browser_gets_the_scripts_it_runs() -> None:
    chrome = {script.output for script in plan_scripts(TARGETS["chrome"], BOTH, ENGINE)}
    firefox = {script.output for script in plan_scripts(TARGETS["firefox"], BOTH, ENGINE)}
    assert chrome - firefox == {"offscreen.js", "worker_thread.js"}
    assert firefox == {
        "background.js",
        "worker.js",
        "content-moderation.js",
        "content-completion.js",
        "ui/popup.js",
        "ui/options.js",
    }


def test_a_feature_that_is_left_out_has_no_content_script() -> None:
    outputs = {script.output for script in plan_scripts(TARGETS["chrome"], ["moderation"], ENGINE)}
    assert "content-moderation.js" in outputs
    assert "content-completion.js" not in outputs


def test_esbuild_is_told_the_browser_and_where_the_runtime_description_is(source: Path) -> None:
    out = source.parent / "unpacked"
    inputs = ["src/worker/main.ts", "node_modules/onnxruntime-web/dist/ort.mjs"]
    runner = FakeRunner(Finished(0, json.dumps({"worker.js": {"inputs": inputs}}), ""))
    packages = bundle_scripts(
        TARGETS["firefox"], BOTH, WITH_ORT, source, out, node=NODE, runner=runner
    )
    assert packages == {"onnxruntime-web"}
    [(argv, cwd, stdin)] = runner.calls
    assert argv == ["/node/bin/node", "build.mjs"]
    assert cwd == source
    requests = json.loads(stdin)
    conditions = ["firefox", "ort-wasm", "onnxruntime-web-use-extern-wasm"]
    assert all(request["conditions"] == conditions for request in requests)
    assert all(request["alias"] == {"#runtime": str(out / "runtime.json")} for request in requests)
    modules = [request["outfile"] for request in requests if request["format"] == "esm"]
    assert modules == [str(out / "worker.js")]


def test_without_the_engine_there_is_no_script_for_its_threads() -> None:
    outputs = {script.output for script in plan_scripts(TARGETS["chrome"], BOTH, WITH_ORT)}
    assert "worker_thread.js" not in outputs


def test_without_onnx_runtime_in_the_package_nothing_asks_for_it(source: Path) -> None:
    [script, *_] = plan_scripts(TARGETS["chrome"], BOTH, ENGINE)
    options = esbuild_options(script, TARGETS["chrome"], None, source, source)
    assert options["conditions"] == ["chrome"]


def test_an_error_of_esbuild_is_shown_with_its_place(source: Path) -> None:
    runner = FakeRunner(Finished(1, "", "src/worker/main.ts:3:1: Expected ; but found x\n"))
    with pytest.raises(ToolError) as caught:
        bundle_scripts(TARGETS["chrome"], BOTH, ENGINE, source, source, node=NODE, runner=runner)
    assert "esbuild failed, got exit code 1" in str(caught.value)
    assert "src/worker/main.ts:3:1: Expected ; but found x" in str(caught.value)


def test_a_missing_entry_point_is_named(source: Path) -> None:
    (source / "src/worker/main.ts").unlink()
    runner = FakeRunner(Finished(0, "{}", ""))
    with pytest.raises(BundleError, match=r"extension_src/src/worker/main\.ts: missing"):
        bundle_scripts(TARGETS["chrome"], BOTH, ENGINE, source, source, node=NODE, runner=runner)
    assert runner.calls == []


def test_npm_packages_are_installed_once_per_lock_file(source: Path) -> None:
    runner = FakeRunner(Finished(0, "", ""))
    assert install_packages(source, node=NODE, runner=runner)
    assert not install_packages(source, node=NODE, runner=runner)
    assert [argv for argv, _, _ in runner.calls] == [["/node/bin/node", "/node/npm-cli.js", "ci"]]
    (source / "package-lock.json").write_text("{}")
    assert install_packages(source, node=NODE, runner=runner)


def test_an_install_that_fails_is_tried_again(source: Path) -> None:
    offline = FakeRunner(Finished(1, "", "npm error network request failed\n"))
    with pytest.raises(ToolError, match="check the network"):
        install_packages(source, node=NODE, runner=offline)
    assert install_packages(source, node=NODE, runner=FakeRunner(Finished(0, "", "")))


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("src/worker/main.ts", None),
        ("node_modules/onnxruntime-web/dist/ort.mjs", "onnxruntime-web"),
        ("node_modules/@huggingface/tokenizers/dist/t.mjs", "@huggingface/tokenizers"),
        ("node_modules/a/node_modules/b/index.js", "b"),
    ],
)
def test_bundled_files_are_traced_to_their_packages(path: str, package: str | None) -> None:
    assert npm_package(path) == package
