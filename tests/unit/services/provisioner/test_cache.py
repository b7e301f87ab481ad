"""The cache: what the watch brought is never replaced by something older."""

from __future__ import annotations

from typing import Any

import pytest
from hub_provisioner.controller import Cache


def volume(version: str) -> dict[str, Any]:
    return {"metadata": {"name": "pvc-1", "resourceVersion": version}}


@pytest.mark.parametrize(("there", "offered", "kept"), [(None, "5", "5"), ("5", "7", "7"), ("7", "5", "7"), ("99", "100", "100"), ("5", "5", "5")])
def test_offer(there: str | None, offered: str, kept: str) -> None:
    cache = Cache()
    if there:
        cache.put("volumes", volume(there))
    cache.offer("volumes", volume(offered))
    found = cache.get("volumes", "", "pvc-1")
    assert found is not None
    assert found["metadata"]["resourceVersion"] == kept
    cache.drop("volumes", volume(offered))
    assert cache.all("volumes") == []
