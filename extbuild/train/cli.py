"""Command line: `python -m extbuild.train NAME --data FOLDER --work FOLDER --max-minutes M`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from extbuild.errors import UserError


def parser() -> argparse.ArgumentParser:
    """The arguments of every training command."""
    top = argparse.ArgumentParser(prog="python -m extbuild.train", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    for name, minutes in (("moderation", 45.0), ("completion", 70.0)):
        command = commands.add_parser(name, help=f"train the {name} model")
        command.add_argument("--data", type=Path, default=Path("../shared/data"))
        command.add_argument("--work", type=Path, default=Path(".extbuild/train"))
        command.add_argument("--out", type=Path, default=Path("models") / name / "source")
        command.add_argument("--max-minutes", type=float, default=minutes)
        command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
        command.add_argument("--threads", type=int, default=0, help="0: as many as torch likes")
        command.add_argument(
            "--compile",
            action=argparse.BooleanOptionalAction,
            default=shutil.which("g++") is not None,
            help="fuse kernels with a C++ compiler: a minute at the start, twice the speed",
        )
    return top


def main(argv: Sequence[str]) -> int:
    """Run one command; 1 for an error that a person can mend."""
    arguments = parser().parse_args(argv)
    try:
        figures = _run(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, value in figures.items():
        print(f"{name} {value:.6g}")
    return 0


def _run(arguments: argparse.Namespace) -> dict[str, float]:
    if arguments.max_minutes <= 0:
        raise UserError(
            "--max-minutes", "must be positive", found=str(arguments.max_minutes), do="try 45"
        )
    # torch is heavy, so it is imported only once a command really runs.
    import torch

    from extbuild.train.device import chosen_device

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = chosen_device(arguments.device)
    if arguments.command == "completion":
        from extbuild.train.completion import CompletionSettings, train_completion

        return train_completion(
            CompletionSettings(
                data=arguments.data,
                work=arguments.work,
                out=arguments.out,
                device=device,
                max_minutes=arguments.max_minutes,
                is_compiled=arguments.compile,
            )
        )
    from extbuild.train.moderation import ModerationSettings, train_moderation

    return train_moderation(
        ModerationSettings(
            data=arguments.data,
            work=arguments.work,
            out=arguments.out,
            device=device,
            max_minutes=arguments.max_minutes,
            is_compiled=arguments.compile,
        )
    )
