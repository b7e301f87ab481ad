"""What is made, and in which order."""

from __future__ import annotations

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import Item, order
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.plan import Queue, plan, urgency

ITEMS = {
    item.name: item
    for item in order(
        [
            Item("tool", "tool", seconds=5, light=True),
            Item("modules", "go-modules", needs=("tool",), seconds=5, light=True),
            Item("program", "go", needs=("tool", "modules"), seconds=100),
            Item("kernel", "kernel", seconds=300),
            Item("image", "image", needs=("program",), seconds=10),
            Item("disk", "disk", needs=("kernel", "image"), seconds=50),
        ]
    )
}


@pytest.mark.parametrize(
    ("done", "targets", "steps"),
    [
        ([], ["disk"], ["tool", "modules", "program", "kernel", "image", "disk"]),
        (["disk"], ["disk"], []),  # what it was made from may have been thrown away
        (["tool", "modules", "program", "kernel", "image"], ["disk"], ["disk"]),
        (["program", "kernel"], ["disk"], ["image", "disk"]),
        (["program", "disk"], ["disk", "image"], ["image"]),
        ([], ["kernel"], ["kernel"]),
    ],
)
def test_plan(done, targets, steps):
    assert plan(ITEMS, targets, lambda item: item.name in done) == steps


def test_urgency_is_the_longest_chain():
    assert urgency(ITEMS, ITEMS) == {"disk": 50, "image": 60, "program": 160, "modules": 165, "tool": 170, "kernel": 350}


def test_queue_takes_the_most_urgent_whose_needs_are_met():
    queue = Queue(ITEMS, ITEMS, workers=2)
    assert [queue.take(), queue.take(), queue.take()] == ["kernel", "tool", None]
    queue.finish("tool")
    assert queue.take() == "modules"
    assert queue.take() is None
    queue.finish("modules")
    assert queue.take() == "program"
    assert queue.running == ("kernel", "program")
    queue.finish("program")
    assert queue.take() == "image"
    queue.finish("image")
    assert queue.take() is None
    queue.finish("kernel")
    assert queue.take() == "disk"
    assert not queue.empty
    queue.finish("disk")
    assert queue.empty


def test_queue_keeps_to_its_workers_and_lets_light_ones_by():
    items = {
        item.name: item for item in [*(Item(f"heavy{n}", "go", seconds=9 - n) for n in range(3)), *(Item(f"light{n}", "tool", light=True) for n in range(3))]
    }
    queue = Queue(items, items, workers=2, light_workers=1)
    assert sorted(filter(None, (queue.take() for _number in range(6)))) == ["heavy0", "heavy1", "light0"]
