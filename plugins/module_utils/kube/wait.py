# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting with a limit. Clock and sleep are arguments, so that tests take no time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_for(
    probe: Callable[[], tuple[bool, Value]],
    limit_seconds: float,
    pause_seconds: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[bool, Value, float]:
    """Call ``probe`` until it says yes or the limit is over; it is called at least once.

    ``probe`` returns (done, what it saw). Returns (done, what was seen last, seconds it took).
    """
    start = clock()
    while True:
        done, seen = probe()
        spent = clock() - start
        if done or spent >= limit_seconds:
            return done, seen, spent
        sleep(min(pause_seconds, max(0.0, limit_seconds - spent)))
