"""Seconds of many runs: percentiles and tables. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest value that at least ``percent`` % of the values do not exceed.

    With few values a high percentile is the largest one; nothing is interpolated. Raises ValueError without values.
    """
    if not values:
        raise ValueError("no values")
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]


def summary_rows(seconds: Mapping[str, Sequence[float]]) -> list[tuple[str, ...]]:
    """Rows (step, p50, p99, min, max, count) of a table; steps that nobody reached are left out."""
    return [
        (step, *(f"{value:.1f}" for value in (percentile(values, 50), percentile(values, 99), min(values), max(values))), str(len(values)))
        for step, values in seconds.items()
        if values
    ]
