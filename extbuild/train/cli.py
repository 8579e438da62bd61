"""Command line: `python -m extbuild.train NAME --data FOLDER --work FOLDER --max-minutes M`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from extbuild.errors import UserError

MODELS = {"moderation": 45.0, "completion": 80.0}
"""The models and the minutes that each is trained for unless told otherwise."""


def parser() -> argparse.ArgumentParser:
    """The arguments of every training command."""
    top = argparse.ArgumentParser(prog="python -m extbuild.train", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    for name, minutes in MODELS.items():
        command = commands.add_parser(name, help=f"train the {name} model, or go on with it")
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--work", type=Path, default=Path(".extbuild/train"))
        command.add_argument("--out", type=Path, default=Path("models") / name / "source")
        command.add_argument("--init", type=Path, help="model directory to begin with")
        command.add_argument("--max-minutes", type=float, default=minutes)
        command.add_argument(
            "--max-steps", type=int, default=0, help="budget in steps instead: repeats exactly"
        )
        command.add_argument("--rate-scale", type=float, default=1.0, help="times all peak rates")
        command.add_argument(
            "--block", type=int, default=64, help="round weights as block_4bit will; 0: not at all"
        )
        command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
        command.add_argument("--threads", type=int, default=0, help="0: as many as torch likes")
        command.add_argument(
            "--compile",
            action=argparse.BooleanOptionalAction,
            default=shutil.which("g++") is not None,
            help="fuse kernels with a C++ compiler: a minute at the start, faster afterwards",
        )
        if name == "completion":
            command.add_argument(
                "--first-batch", type=int, default=0, help="go on in the data where a run ended"
            )
        else:
            command.add_argument("--vocab", type=int, default=5888, help="most tokens to keep")
    export = commands.add_parser("export-split", help="write a held-out split as JSON lines")
    export.add_argument("model", choices=tuple(MODELS))
    export.add_argument("--split", choices=("validation", "test"), default="test")
    export.add_argument("--data", type=Path, required=True)
    export.add_argument("--out", type=Path, required=True)
    card = commands.add_parser("card", help="fill the figures and data tables of a model card")
    card.add_argument("model", choices=tuple(MODELS))
    card.add_argument("--data", type=Path, required=True)
    card.add_argument("--work", type=Path, default=Path(".extbuild/train"))
    return top


def main(argv: Sequence[str]) -> int:
    """Run one command; 1 for an error that a person can mend."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as end:  # argparse has said what it was asked for, or what was wrong
        return 1 if end.code else 0
    try:
        figures = _run(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, value in figures.items():
        print(f"{name} {value:.6g}")
    return 0


def _run(arguments: argparse.Namespace) -> dict[str, float]:
    if arguments.command == "export-split":
        from extbuild.train.held_out import write_split

        rows = write_split(arguments.model, arguments.data, arguments.split, arguments.out)
        return {"rows": float(rows)}
    if arguments.command == "card":
        from extbuild.train.card import refresh_card

        name = arguments.model
        path = Path("models") / name / "MODEL_CARD.md"
        refresh_card(name, path, arguments.work / name, arguments.data)
        return {}
    if arguments.max_minutes <= 0:
        found = str(arguments.max_minutes)
        raise UserError("--max-minutes", "must be positive", found=found, do="try 45")
    return _train(arguments)


def _train(arguments: argparse.Namespace) -> dict[str, float]:
    # torch is heavy and an extra, so it is imported only once a command really trains.
    import torch

    from extbuild.train.device import chosen_device
    from extbuild.train.loop import Pace
    from extbuild.train.schedule import Schedule

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = chosen_device(arguments.device)
    pace = Pace(Schedule(arguments.max_minutes * 60, arguments.max_steps))
    if arguments.command == "completion":
        from extbuild.train.completion import CompletionSettings, train_completion

        return train_completion(
            CompletionSettings(
                data=arguments.data,
                work=arguments.work,
                out=arguments.out,
                device=device,
                pace=pace,
                is_compiled=arguments.compile,
                init=arguments.init,
                first_batch=arguments.first_batch,
                rate_scale=arguments.rate_scale,
                block=arguments.block,
            )
        )
    from extbuild.train.moderation import ModerationSettings, train_moderation

    return train_moderation(
        ModerationSettings(
            data=arguments.data,
            work=arguments.work,
            out=arguments.out,
            device=device,
            pace=pace,
            is_compiled=arguments.compile,
            init=arguments.init,
            vocab_size=arguments.vocab,
            rate_scale=arguments.rate_scale,
            block=arguments.block,
        )
    )
