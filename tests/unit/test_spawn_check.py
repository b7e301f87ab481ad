"""Numbers of the spawn check."""

from __future__ import annotations

import pytest

from tests.spawn_check.timing import percentile, summary_rows


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([5], 50, 5), ([5], 99, 5), ([1, 2], 50, 1), ([3, 1, 2], 50, 2), (range(1, 21), 50, 10), (range(1, 21), 99, 20), (range(1, 201), 99, 198), ([1, 2], 0, 1)],
)
def test_percentiles_are_values_that_were_measured(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_steps_that_nobody_reached_have_no_row() -> None:
    assert summary_rows({"log in": [0.25, 1.0, 0.5], "start": []}) == [("log in", "0.5", "1.0", "0.2", "1.0", "3")]
