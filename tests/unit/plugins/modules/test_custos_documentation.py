"""Every Custos module documents the options that it takes, and only those."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

MODULES = sorted(path.stem for path in (Path(__file__).resolve().parents[4] / "plugins" / "modules").glob("custos_*.py"))
PLUGINS = "ansible_collections.airavata.jupyterhub.plugins"


def documented(module: Any) -> dict[str, Any]:
    text = yaml.safe_load(module.DOCUMENTATION)
    options = dict(text["options"])
    for name in text["extends_documentation_fragment"]:
        _namespace, _collection, _file, *section = name.split(".")
        fragments = importlib.import_module(f"{PLUGINS}.doc_fragments.custos").ModuleDocFragment
        options |= yaml.safe_load(getattr(fragments, section[0].upper() if section else "DOCUMENTATION"))["options"]
    return options


def test_there_are_modules_each_with_its_twin() -> None:
    assert {name for name in MODULES if not name.endswith("_info")} == {name.removesuffix("_info") for name in MODULES if name.endswith("_info")}
    assert len(MODULES) >= 2


@pytest.mark.parametrize("name", MODULES)
def test_documentation_and_argument_spec_agree(name: str) -> None:
    module = importlib.import_module(f"{PLUGINS}.modules.{name}")
    options, spec = documented(module), module.argument_spec()
    assert set(options) == set(spec)

    described = [yaml.safe_load(module.DOCUMENTATION), *options.values()]
    for text in described:
        assert all(isinstance(line, str) for line in ([text["description"]] if isinstance(text["description"], str) else text["description"])), text

    def compare(path: str, told: dict[str, Any], taken: dict[str, Any]) -> None:
        for key in ("type", "default", "choices", "elements", "required"):
            assert told.get(key) == taken.get(key), f"{path}.{key}"
        assert set(told.get("suboptions", {})) == set(taken.get("options", {})), path
        for inner, option in taken.get("options", {}).items():
            compare(f"{path}.{inner}", told["suboptions"][inner], option)

    for option in spec:
        compare(option, options[option], spec[option])
