"""The hub's files and environment for all tests of its role."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from tests.hub_venv import HUB_FILES, NAMES_FILE, TOP, make_hub_python

__all__ = ["HUB_FILES", "NAMES_FILE", "TOP"]
sys.path.insert(0, str(HUB_FILES))  # the files are no package: in the hub's pod they lie side by side, too
sys.modules["user_space_names"] = importlib.import_module("ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.names")


@pytest.fixture(scope="session")
def hub_python() -> Path:
    """Return the Python of the hub's image."""
    return make_hub_python()
