"""Run a kube_* module in a folder instead of on a machine: python kube_driver.py FOLDER MODULE ARGUMENTS_AS_JSON.

The module's own code runs, with kubeadm, kubectl and systemctl of the folder's bin/ (small programs that keep their state in files) and with the
paths of /etc, /var/lib and /run moved there.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

from ansible.module_utils.testing import patch_module_args

PACKAGE = "ansible_collections.airavata.jupyterhub.plugins"
MOVED = ("/etc/kubernetes", "/var/lib/etcd", "/var/lib/airavata-jupyterhub", "/run/airavata-jupyterhub")


def move(module: ModuleType, root: str) -> None:
    """Put every constant of a module that is, or holds, one of the moved paths below ``root``."""
    for name, value in vars(module).items():
        if isinstance(value, str) and value.startswith(MOVED):
            setattr(module, name, root + value)
        elif isinstance(value, tuple) and value and all(isinstance(entry, str) and entry.startswith(MOVED) for entry in value):
            setattr(module, name, tuple(root + entry for entry in value))


def main() -> None:
    root, name, arguments = sys.argv[1:4]
    module = importlib.import_module(f"{PACKAGE}.modules.{name}")
    helpers = [importlib.import_module(f"{PACKAGE}.module_utils.kube.{helper}") for helper in ("state", "kubeadm", "run", "worker")]
    helpers[2].PATH = f"{root}/bin:{helpers[2].PATH}"  # type: ignore[attr-defined]
    for one in [*helpers, module]:
        move(one, root)
    Path(root, "run").mkdir(exist_ok=True)
    with patch_module_args(json.loads(arguments)):
        module.main()


if __name__ == "__main__":
    main()
