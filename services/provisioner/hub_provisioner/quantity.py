"""Kubernetes quantities of bytes. Pure."""

from __future__ import annotations

import re
from decimal import Decimal

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(m|k|[KMGTPE]i?))?")
_POWERS = "KMGTPE"


def parse(text: str | int) -> int:
    """Number of bytes of a quantity such as ``10Gi``, ``1.5G``, ``1e9``; fractions are rounded up.

    :raises ValueError: it is none.
    """
    match = _FORM.fullmatch(str(text).strip())
    if not match:
        raise ValueError(f"{text!r} is not a quantity")
    number, exponent, suffix = match.groups()
    value = Decimal(number + (exponent or ""))
    if suffix == "m":
        value /= 1000
    elif suffix:
        power = _POWERS.index(suffix[0].upper()) + 1
        value *= Decimal(1024 if suffix.endswith("i") else 1000) ** power
    return int(value.to_integral_value(rounding="ROUND_CEILING"))


def show(number: int) -> str:
    """Shortest binary form of a number of bytes: ``10Gi``, or the plain number where no suffix fits."""
    for power in range(len(_POWERS), 0, -1):
        unit = 1024**power
        if number and number % unit == 0:
            return f"{number // unit}{_POWERS[power - 1]}i"
    return str(number)


def round_show(number: int) -> str:
    """A number of bytes for a person: ``9.8Gi``."""
    for power in range(len(_POWERS), 0, -1):
        if number >= 1024**power:
            return f"{number / 1024**power:.1f}{_POWERS[power - 1]}i"
    return str(number)
