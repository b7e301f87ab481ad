# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be made, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import Item


def plan(items: Mapping[str, Item], targets: Iterable[str], is_done: Callable[[Item], bool]) -> list[str]:
    """Give the names of the items to make, each after what it needs.

    An item that is done hides what it needs: intermediate things may have been thrown away.
    """
    wanted: set[str] = set()
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        if not is_done(items[name]):
            wanted.add(name)
            for need in items[name].needs:
                visit(need)

    for target in targets:
        visit(target)
    return [name for name in items if name in wanted]


def urgency(items: Mapping[str, Item], names: Iterable[str]) -> dict[str, int]:
    """Give, for each name, the seconds from its start to the end of the longest chain that waits for it."""
    chosen = list(names)
    result: dict[str, int] = {}
    for name in reversed([name for name in items if name in set(chosen)]):
        after = [result[other] for other in result if name in items[other].needs]
        result[name] = items[name].seconds + max(after, default=0)
    return result


class Queue:
    """Hands out items whose needs are met, the most urgent first; light ones do not count against the workers."""

    def __init__(self, items: Mapping[str, Item], names: Iterable[str], workers: int, light_workers: int = 3) -> None:
        self._items = items
        self._urgency = urgency(items, names)
        self._waiting = sorted(self._urgency, key=lambda name: (-self._urgency[name], name))
        self._running: set[str] = set()
        self._limits = {False: workers, True: light_workers}

    @property
    def running(self) -> tuple[str, ...]:
        """Names that were handed out and are not finished."""
        return tuple(sorted(self._running))

    @property
    def empty(self) -> bool:
        """Whether everything was handed out and finished."""
        return not self._waiting and not self._running

    def take(self) -> str | None:
        """Give the next item to start, or None when something has to finish first."""
        open_names = {*self._waiting, *self._running}
        for name in self._waiting:
            light = self._items[name].light
            busy = sum(1 for other in self._running if self._items[other].light == light)
            if busy < self._limits[light] and not any(need in open_names for need in self._items[name].needs):
                self._waiting.remove(name)
                self._running.add(name)
                return name
        return None

    def finish(self, name: str) -> None:
        """Say that an item is made."""
        self._running.remove(name)
