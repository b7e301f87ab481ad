"""The hub's files and environment for all tests of its role."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_venv import HUB_FILES, NAMES_FILE, TOP, make_hub_python
from tests.unit.roles.jupyterhub.hub_process import Browser, Hub
from tests.unit.services.custos_double.server import Server

__all__ = ["HUB_FILES", "NAMES_FILE", "TOP"]
sys.path.insert(0, str(HUB_FILES))  # the files are no package: in the hub's pod they lie side by side, too
sys.modules["user_space_names"] = importlib.import_module("ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.names")


@pytest.fixture(scope="session")
def hub_python() -> Path:
    """Return the Python of the hub's image."""
    return make_hub_python()


@pytest.fixture
def browser(hub: Hub, double: Server) -> Iterator[Browser]:
    """A person's browser, for the ``hub`` and its provider ``double`` of the test's own file."""
    person = Browser(hub, double)
    yield person
    person.close()
