"""Which tests may run beside each other: `make test` has two workers, one for the site, one for the rest, file by file."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """There is one site, so its tests follow each other; the others keep to their file, whose servers they share."""
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group("site" if file.startswith("tests/e2e/") else file))
