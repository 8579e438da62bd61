"""The project's commands: `./inv --list`. Each task is one call; the work is in extbuild."""

from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from extbuild import cli

ROOT = Path(__file__).parent


def _exit(code: int) -> None:
    if code:
        raise Exit(code=code)


@task(help={"json": "one JSON object per line instead of a progress bar"})
def build(context: Context, json: bool = False) -> None:
    """Build the packages of both browsers into dist/."""
    _exit(cli.guarded(lambda: cli.build(ROOT, as_json=json)))


@task(name="test", help={"args": "passed on to pytest, for instance 'tests/unit -k shard'"})
def run_tests(context: Context, args: str = "") -> None:
    """Build, then run every test, real browsers included."""
    _exit(cli.guarded(lambda: cli.test(ROOT, arguments=args)))


@task(name="eval", help={"data": "FILE.jsonl with the texts", "json": "where the result goes"})
def evaluate(context: Context, name: str, data: str = "", json: str = "") -> None:
    """Measure the model NAME, as it ships, on your own texts."""
    _exit(cli.guarded(lambda: cli.evaluate(ROOT, name, data=data, out=json)))


@task(
    help={
        "json": "where the result goes",
        "quick": "tiny models, once: shows that everything runs",
        "only": "parts by name, for instance 'decoder,memory'",
    }
)
def bench(context: Context, json: str = "", quick: bool = False, only: str = "") -> None:
    """Measure engine and extension in real browsers beside their peers."""
    _exit(cli.guarded(lambda: cli.bench(ROOT, out=json, quick=quick, only=only)))


@task(
    help={
        "data": "folder with the training data",
        "max_minutes": "stop after this time",
        "args": "passed on to the trainer; '--help' lists them",
    }
)
def train(
    context: Context, name: str, data: str = "", max_minutes: str = "", args: str = ""
) -> None:
    """Train the model NAME (needs the extra: pip install -e '.[train]')."""
    _exit(cli.guarded(lambda: cli.train(name, data=data, max_minutes=max_minutes, arguments=args)))


@task
def generate(context: Context) -> None:
    """Write the generated sources (extension_src/src/generated)."""
    _exit(cli.guarded(lambda: cli.generate(ROOT)))


@task
def check(context: Context) -> None:
    """Formatter, linter and type checkers of Python and TypeScript."""
    _exit(cli.guarded(lambda: cli.check(ROOT)))


@task
def verify(context: Context) -> None:
    """Check that every packaged file in dist/ is as it was built."""
    _exit(cli.guarded(lambda: cli.verify(ROOT)))


@task
def clean(context: Context) -> None:
    """Remove dist/ and the cache of stages."""
    _exit(cli.guarded(lambda: cli.clean(ROOT)))
