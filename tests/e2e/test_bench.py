import json
from pathlib import Path

from extbuild import cli

FORMS = {"int4", "int8"}
ORT = {f"onnxruntime-web {form}" for form in ("int8", "fp32", "int4")}
DECODERS = {f"engine {form}" for form in FORMS} | ORT
DECODERS |= {"transformers.js int8", "wllama Q4_0", "JavaScript int8", "scalar WASM int8"}
ENCODERS = {"engine int8", "transformers.js int8"} | ORT


def test_every_peer_runs_a_tiny_model_in_both_browsers(root: Path, tmp_path: Path) -> None:
    """Not a timed test: that it runs and what it writes."""
    out = tmp_path / "bench.json"
    code = cli.bench(root, out=str(out), quick=True)
    document = json.loads(out.read_text())
    assert code == 0
    assert {one["peer"] for one in document["missing"]} <= {"llama.cpp Q4_0"}
    rows = document["rows"]
    assert all(row["median"] > 0 and row["runs"] > 0 for row in rows)
    for browser in ("chrome", "firefox"):
        for metric, peers in (("decode", DECODERS), ("prefill", DECODERS), ("encode", ENCODERS)):
            found = {
                row["peer"]
                for row in rows
                if row["metric"] == metric and (row["browser"] or "").startswith(browser)
            }
            assert found == peers
    native = {row["peer"] for row in rows if row["browser"] is None}
    assert {"onnxruntime int4", "onnxruntime int8", "onnxruntime fp32"} <= native
    assert "tiny decoder" in (root / "dist" / "bench.html").read_text()
