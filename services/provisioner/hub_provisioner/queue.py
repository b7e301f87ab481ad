"""Work to do: each key at most once, later tries after growing waits."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 60.0


class WorkQueue(Generic[Key]):
    """A queue for one or more workers; safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._change = threading.Condition()
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._count = 0
        self._failures: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Have `key` worked on `delay` seconds from now, or sooner if it already is to."""
        with self._change:
            due = self._clock() + delay
            if due < self._due.get(key, float("inf")):
                self._due[key] = due
                self._count += 1
                heapq.heappush(self._heap, (due, self._count, key))
                self._change.notify()

    def retry(self, key: Key) -> float:
        """Have `key` worked on again after a wait that doubles with each failure; returns the wait in seconds."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(failures - 1, 20))
        self.add(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """The work on `key` succeeded: its next failure waits shortly again."""
        self._failures.pop(key, None)

    def get(self, timeout: float) -> Key | None:
        """The next key that is due, or None after `timeout` seconds."""
        deadline = self._clock() + timeout
        with self._change:
            while True:
                now = self._clock()
                while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
                    heapq.heappop(self._heap)  # replaced by an earlier one
                if self._heap and self._heap[0][0] <= now:
                    key = heapq.heappop(self._heap)[2]
                    del self._due[key]
                    return key
                if now >= deadline:
                    return None
                self._change.wait(min(deadline, self._heap[0][0] if self._heap else deadline) - now)
