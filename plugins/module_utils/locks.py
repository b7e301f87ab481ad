# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lock between runs. When a run is killed, a module that it started goes on to its end; the next run waits for it instead of working beside it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.wait import wait_for


class LockedError(Exception):
    """Another one had the lock until the limit was over; says how to find who it is."""


@contextmanager
def held(path: str, limit_seconds: float) -> Iterator[int]:
    """Hold the lock of ``path``, a file that is made when it is missing. Yields its descriptor.

    The kernel releases it when the last process that has the descriptor ends, however that ends. Raises LockedError.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:

        def attempt() -> tuple[bool, None]:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False, None
            return True, None

        got, _seen, _spent = wait_for(attempt, limit_seconds, pause_seconds=0.2)
        if not got:
            raise LockedError(f"what an earlier run started is still at work after {limit_seconds:g} s; look at: fuser -v {path}")
        yield handle
    finally:
        os.close(handle)
