"""Which tests may run beside each other: `make test` has two workers, one for the site, one for the rest, file by file."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class ByPlace(LoadScopeScheduling):  # type: ignore[misc]  # xdist 3.8 cannot group by marker under pytest 9.2
    """There is one site, so its tests follow each other; the others keep to their file, whose servers they share."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "site" if file.startswith("tests/e2e/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPlace:
    """Send tests to workers by place."""
    return ByPlace(config, log)
