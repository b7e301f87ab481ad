"""The queue: one key once, waits that grow."""

from __future__ import annotations

from hub_provisioner.queue import WorkQueue


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_key_is_there_once_and_the_sooner_time_counts() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add("a", 10)
    queue.add("a")
    queue.add("a", 5)
    assert len(queue) == 1
    assert queue.get(0) == "a"
    clock.now = 20
    assert queue.get(0) is None


def test_retries_wait_longer_up_to_a_minute_and_success_resets() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock)
    waits = []
    for _round in range(9):
        waits.append(queue.retry("a"))
        clock.now += waits[-1]
        assert queue.get(0) == "a"
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    queue.forget("a")
    assert queue.retry("a") == 0.5


def test_order_is_by_time() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add("late", 2)
    queue.add("soon", 1)
    clock.now = 3
    assert [queue.get(0), queue.get(0)] == ["soon", "late"]
