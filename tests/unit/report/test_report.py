import json
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from extbuild.artifacts import PassReport, QualityMetric, Shard
from extbuild.progress import StageTime
from extbuild.report.charts import Piece, Row, bars, dumbbell, stacked_bar
from extbuild.report.html import report_html
from extbuild.report.record import BuildReport, ModelReport, PackageReport, report_json

MODEL = ModelReport(
    name="moderation",
    task="moderation",
    params=14_000_000,
    source_bytes=28_000_000,
    packed_bytes=14_700_000,
    budget_bytes=20_000_000,
    sha256="ab" * 32,
    parts={"program": 4_000, "tokenizer": 500_000, "weights": 14_000_000},
    operators={"ai.onnx::Add": 3},
    backend="engine",
    not_lowered=None,
    operations=44,
    arena_bytes=1_500_000,
    golden_cases=8,
    golden_tolerance=0.01,
    golden_max_error={"simd": 0.0021, "relaxed": 0.0023},
    shards=(Shard("weights-000.bin", 0, 14_000_000, "cd" * 32),),
    passes=(PassReport("dynamic_int8", 38, 56_000_000, 14_000_000, 195, 162, 0.03, 1.5),),
    quality={
        "auc_mean": QualityMetric(0.95, 0.949, 0.947, passed=True),
        "agreement": QualityMetric(1.0, 0.99, None, passed=True),
    },
)
PACKAGE = PackageReport(
    target="chrome",
    file="chrome/sidelight-1.0.zip",
    bytes=17_000_000,
    sha256="ef" * 32,
    unpacked_bytes=29_000_000,
    parts={"moderation": 13_000_000, "onnxruntime-web": 3_900_000, "archive": 100_000},
    permissions={"storage": "keeps <your> switches"},
)
REPORT = BuildReport(
    name="Sidelight & co",
    version="1.0",
    models=(MODEL,),
    packages=(PACKAGE,),
    stages=(StageTime("compress moderation", 1.5, cached=False),),
    tools={"compressor": "zlib 1.2.13"},
)
VOID = {"meta", "br", "link", "img"}


def test_the_machine_readable_report_keeps_its_promise() -> None:
    value = json.loads(report_json(REPORT))
    assert value["version"] == "1.0"
    model = value["models"]["moderation"]
    assert model["params"] == 14_000_000
    assert model["shards"][0]["sha256"] == "cd" * 32
    assert model["passes"][0]["weight_bytes_after"] == 14_000_000
    assert model["quality"]["auc_mean"] == {
        "before": 0.95,
        "after": 0.949,
        "gate": 0.947,
        "pass": True,
    }
    assert value["packages"]["chrome"]["file"] == "chrome/sidelight-1.0.zip"
    assert value["stages"] == [{"name": "compress moderation", "seconds": 1.5, "cached": False}]


def test_a_report_never_holds_what_json_cannot() -> None:
    spoiled = replace(MODEL, quality={"auc_mean": QualityMetric(0.95, math.nan, None, False)})
    with pytest.raises(ValueError, match="not JSON compliant"):
        report_json(replace(REPORT, models=(spoiled,)))


class Balance(HTMLParser):
    """Notes tags that are closed in the wrong order or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_is_well_formed_and_escapes_what_it_shows() -> None:
    page = report_html(REPORT)
    balance = Balance()
    balance.feed(page)
    assert (balance.wrong, balance.open) == ([], [])
    assert "Sidelight &amp; co" in page
    assert "keeps &lt;your&gt; switches" in page


@pytest.mark.parametrize(
    "fact", ["14.7 MB", "74 % of the budget of 20.0 MB", "0.9470", "-0.0010", "passes", "no gate"]
)
def test_the_page_tells_what_was_measured(fact: str) -> None:
    assert fact in report_html(REPORT)


def test_a_stacked_bar_is_as_long_as_its_share_of_the_widest() -> None:
    pieces = [Piece("a", 30, "30 B", "a"), Piece("b", 20, "20 B", "b")]
    svg = ET.fromstring(stacked_bar(pieces, "title", whole=100))
    boxes = [(float(box.get("x", "")), float(box.get("width", ""))) for box in svg.iter("rect")]
    assert boxes[1][0] == pytest.approx(980 * 0.3)
    assert boxes[1][0] + boxes[1][1] == pytest.approx(980 * 0.5, abs=2)


def test_bars_share_one_scale() -> None:
    rows = [Row("one", 10, "10", "a"), Row("two", 5, "5", "a", start=5), Row("0", 0, "0", "a")]
    svg = ET.fromstring(bars(rows, "title"))
    boxes = [(float(box.get("x", "")), float(box.get("width", ""))) for box in svg.iter("rect")]
    assert boxes[0][0] + boxes[0][1] == pytest.approx(boxes[1][0] + boxes[1][1])
    assert boxes[1][1] == pytest.approx(boxes[0][1] / 2)


# (before, after, gate, passed, class of the dot, whether the tinted side is the left one)
METRICS = [
    (0.95, 0.949, 0.94, True, "after", True),
    (0.95, 0.90, 0.94, False, "failed", True),
    (1.50, 1.51, 1.52, True, "after", False),
]


@pytest.mark.parametrize(("before", "after", "gate", "passed", "dot", "left"), METRICS)
def test_a_metric_is_drawn_on_its_side_of_the_gate(
    before: float, after: float, gate: float, passed: bool, dot: str, left: bool
) -> None:
    svg = ET.fromstring(dumbbell(before, after, gate, passed, "title"))
    circles = {circle.get("class"): float(circle.get("cx", "")) for circle in svg.iter("circle")}
    tinted = next(svg.iter("rect"))
    x, width = float(tinted.get("x", "")), float(tinted.get("width", ""))
    assert (x == 0) is left
    assert (x <= circles[dot] <= x + width) is not passed
    assert not x < circles["before"] < x + width


def test_what_runs_a_model_is_told_with_how_near_it_comes() -> None:
    model = json.loads(report_json(REPORT))["models"]["moderation"]
    assert model["backend"] == "engine"
    assert model["not_lowered"] is None
    assert model["program"] == {"bytes": 4_000, "operations": 44, "arena_bytes": 1_500_000}
    assert model["golden"] == {
        "cases": 8,
        "tolerance": 0.01,
        "max_error": {"simd": 0.0021, "relaxed": 0.0023},
    }
    page = report_html(REPORT)
    assert "44 operations" in page
    assert "0.0023" in page


def test_a_model_that_is_not_on_the_engine_says_why() -> None:
    why = "node <n>: an operator that the engine has not"
    model = replace(MODEL, backend="onnxruntime-web", not_lowered=why, golden_max_error={})
    report = replace(REPORT, models=(model,))
    value = json.loads(report_json(report))["models"]["moderation"]
    assert (value["backend"], value["not_lowered"]) == ("onnxruntime-web", why)
    assert value["program"] is None
    assert "node &lt;n&gt;: an operator that the engine has not" in report_html(report)


def test_the_engine_and_onnxruntime_have_colours_of_their_own() -> None:
    parts = {"moderation": 9_000_000, "engine": 200_000, "onnxruntime-web": 6_900_000}
    page = report_html(replace(REPORT, packages=(replace(PACKAGE, parts=parts),)))
    colours = re.findall(r'class="swatch (\w)"', page)
    assert len(colours) == len(set(colours)) == len(parts)
