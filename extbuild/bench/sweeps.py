"""How the engine's cost grows: with threads, batch, length and size. One variable at a time."""

from collections.abc import Mapping
from dataclasses import replace

from extbuild.bench.compare import Comparison, Found, Say, Workload, compare
from extbuild.bench.forms import Form, Shelf
from extbuild.bench.in_browser import BenchPage
from extbuild.bench.peers import Peers
from extbuild.bench.random_models import DecoderSizes, EncoderSizes

THREADS = (1, 2, 4)
BATCHES = (1, 4, 16, 64)
LENGTHS = (16, 32, 64, 128, 256)
TEXTS_OF_LENGTHS = 8
ROUNDS = 2


def over_threads(
    shelf: Shelf,
    peers: Peers,
    models: tuple[DecoderSizes, EncoderSizes],
    pages: Mapping[str, BenchPage],
    cores: int,
    workload: Workload,
    say: Say,
) -> Found:
    """More threads than one; with one, everything else is measured. Chromium alone has them."""
    found = Found()
    for threads in (count for count in THREADS if 1 < count <= cores):
        for sizes in models:
            subject = shelf.random(sizes)
            form: Form = "int4" if sizes.task == "completion" else "int8"
            peer = peers.engine_form(subject, form, threads=threads)
            comparison = Comparison(subject, [peer], threads=threads)
            found += compare(comparison, pages, workload, rounds=ROUNDS, say=say)
    return found


def over_batches(
    shelf: Shelf,
    peers: Peers,
    sizes: EncoderSizes,
    pages: Mapping[str, BenchPage],
    workload: Workload,
    say: Say,
) -> Found:
    """Texts per run, and tokens per text; beside onnxruntime-web on the same weights."""
    subject = shelf.random(sizes)
    both = [peers.engine_form(subject, "int8"), peers.ort_web(subject, "int8")]
    workloads = [replace(workload, texts=texts) for texts in BATCHES]
    workloads += [
        replace(workload, texts=TEXTS_OF_LENGTHS, text_tokens=length) for length in LENGTHS
    ]
    found = Found()
    for one in workloads:
        found += compare(Comparison(subject, both), pages, one, rounds=ROUNDS, say=say)
    return found


def over_sizes(
    shelf: Shelf,
    peers: Peers,
    models: tuple[DecoderSizes, ...],
    pages: Mapping[str, BenchPage],
    workload: Workload,
    say: Say,
) -> Found:
    """Decoders from small to large."""
    found = Found()
    for sizes in models:
        say(f"make a model of {sizes.name}")
        subject = shelf.random(sizes)
        comparison = Comparison(subject, [peers.engine_form(subject, "int4")])
        found += compare(comparison, pages, workload, rounds=ROUNDS, say=say)
    return found
