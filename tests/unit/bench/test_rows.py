from extbuild.bench.rows import Missing, Ratio, Row, Sample, as_json, ratios_of, rows_of

NATIVE, CHROME, ALONE = rows_of(
    [
        Sample("moderation", "onnxruntime", "1 x 64 tokens", "text", (3.0, 1.0)),
        Sample("moderation", "extension", "1 x 64 tokens", "text", (5.0,), "chrome 1"),
        Sample("moderation", "extension", "cold", "first verdict", (9.0,), "chrome 1"),
        Sample("moderation", "onnxruntime", "1 x 64 tokens", "text", (2.0,)),
    ]
)
NAME = "chrome / native: moderation text, 1 x 64 tokens"


def test_a_row_is_the_median_of_all_rounds() -> None:
    assert (NATIVE.median, NATIVE.runs, NATIVE.unit) == (2.0, 3, "ms")


def test_a_ratio_is_made_where_the_native_peer_was_asked_the_same() -> None:
    assert ratios_of([NATIVE, CHROME, ALONE], {}) == (Ratio(NAME, 2.5, None),)


def test_a_goal_is_the_most_that_passes() -> None:
    passed = [ratios_of([NATIVE, CHROME], {NAME: goal})[0].passed for goal in (2.4, 2.5, 2.6)]
    assert passed == [False, True, True]


def test_the_document_has_every_promised_key() -> None:
    size = Row("package", "extension", "zip", "size", "bytes", 7.0, 1, None, "chrome")
    document = as_json([size], [Ratio("a", 2.0, None)], [Missing("a", "b", None, "c")])
    assert document == {
        "rows": [
            {
                "subject": "package",
                "peer": "extension",
                "shape": "zip",
                "metric": "size",
                "unit": "bytes",
                "median": 7.0,
                "runs": 1,
                "threads": None,
                "browser": "chrome",
            }
        ],
        "ratios": [{"name": "a", "value": 2.0, "goal": None, "pass": None, "better": "lower"}],
        "missing": [{"subject": "a", "peer": "b", "browser": None, "reason": "c"}],
    }
