"""Quantities, against the forms Kubernetes documents."""

from __future__ import annotations

import pytest
from hub_provisioner.quantity import parse, show


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10Gi", 10 * 2**30),
        ("1.5Gi", 3 * 2**29),
        ("1G", 10**9),
        ("100k", 100_000),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("128974848", 128974848),
        ("129e6", 129_000_000),
        ("1500m", 2),
        (".5Ki", 512),
        ("1K", 1000),  # no suffix of Kubernetes, but its meaning cannot be mistaken
        ("0", 0),
        (7, 7),
    ],
)
def test_parse(text: str | int, number: int) -> None:
    assert parse(text) == number


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1gi", "1GiB", "ten", "0x10", "1..5", "--1"])
def test_not_a_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        parse(text)


@pytest.mark.parametrize(("number", "text"), [(10 * 2**30, "10Gi"), (3 * 2**29, "1536Mi"), (1000, "1000"), (2**60, "1Ei"), (0, "0"), (1, "1")])
def test_show(number: int, text: str) -> None:
    assert show(number) == text
    assert parse(text) == number
