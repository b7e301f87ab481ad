# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kubernetes quantities as numbers, because the API server rewrites them (``1024Mi`` comes back as ``1Gi``)."""

from __future__ import annotations

import re
from fractions import Fraction

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(?:(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE]([+-]?[0-9]+))?")
_FACTORS: dict[str | None, Fraction] = {
    None: Fraction(1),
    "m": Fraction(1, 1000),
    **{letter: Fraction(1000 ** (number + 1)) for number, letter in enumerate("kMGTPE")},
    **{f"{letter}i": Fraction(1024 ** (number + 1)) for number, letter in enumerate("KMGTPE")},
}


def parse(text: object) -> Fraction:
    """Return the number that a quantity stands for. Raises ValueError for what is none."""
    match = _QUANTITY.fullmatch(str(text))
    try:
        if match is None:
            raise ValueError
        return Fraction(match[1]) * (Fraction(10) ** int(match[3]) if match[3] else _FACTORS[match[2]])
    except ValueError:
        raise ValueError(f"{text!r} is no quantity; write a number with a unit such as 500m, 2, 512Mi, 10Gi") from None
