"""A real API server for users' spaces: with UserSpaces, quotas that are counted, and the provisioner, which makes volumes as plain folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space import names
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.client import ApiError, Client

from .api_server import ApiServer, wait_for

TOP = Path(__file__).resolve().parents[2]
CONTROLLERS = ("namespace-controller", "resourcequota-controller", "serviceaccount-controller")
HUB, STORAGE, CLASS, PROVISIONER = "hub", "hub-storage", "hub-home", "hub.airavata.org/nfs"
Object = dict[str, Any]


class SpacesCluster:
    """The cluster, seen by its administrator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ApiServer(folder, *CONTROLLERS)
        self.export = folder / "export"
        self._provisioner: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start everything but the controller of spaces."""
        self.server.start()
        self.client = Client(str(self.server.kubeconfig))
        self.client.request(
            "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml.safe_load((TOP / "roles/user_spaces/files/crd.yml").read_text())
        )
        for name in (HUB, STORAGE):
            self.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        self.add_class(CLASS)
        wait_for("UserSpaces", self._served)
        self.start_provisioner()

    def _served(self) -> bool:
        try:
            self.client.list("UserSpace", HUB)
        except ApiError:
            return False
        return True

    def add_class(self, name: str, **parameters: str) -> None:
        """Make a storage class of the provisioner."""
        body = {
            "metadata": {"name": name},
            "provisioner": PROVISIONER,
            "parameters": {"pathPattern": "${.PVC.namespace}/${.PVC.name}", **parameters},
            "allowVolumeExpansion": True,
        }
        self.client.request("POST", "/apis/storage.k8s.io/v1/storageclasses", body)

    def start_provisioner(self) -> None:
        """Start the provisioner on a folder."""
        self.export.mkdir(exist_ok=True)
        self.export.chmod(0o711)
        argv = [
            sys.executable, "-m", "hub_provisioner", f"--kubeconfig={self.server.kubeconfig}", "--server=10.0.0.5", "--export=/srv/hub",
            f"--base={self.export}", "--quota=none", "--base-is-a-folder", f"--lease-namespace={STORAGE}", "--lease-seconds=9", "--metrics-port=0",
        ]  # fmt: skip
        with (self.folder / "provisioner.log").open("ab") as log:
            self._provisioner = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(TOP / "services/provisioner")}, stdout=log, stderr=log)

    def stop_provisioner(self) -> None:
        """Stop it, as a storage machine that is away."""
        if self._provisioner is not None:
            self._provisioner.terminate()
            self._provisioner.wait(20)
            self._provisioner = None

    def stop(self) -> None:
        """End everything."""
        self.stop_provisioner()
        self.server.stop()

    # -- spaces ------------------------------------------------------------------------------------------------------------------------

    def add(self, user: str, /, **spec: Any) -> Object:
        """Make a UserSpace."""
        body = {
            "apiVersion": f"{names.GROUP}/{names.VERSION}",
            "kind": names.KIND,
            "metadata": {"name": names.space_name(user), "namespace": HUB},
            "spec": {"user": user, **spec},
        }
        return self.client.create(body)

    def space(self, user: str) -> Object | None:
        """The UserSpace of a user."""
        return self.client.get("UserSpace", HUB, names.space_name(user))

    def change(self, user: str, /, **spec: Any) -> None:
        """Change what a UserSpace says."""
        while True:
            item = self.space(user)
            assert item is not None
            try:
                self.client.replace({**item, "spec": {**item["spec"], **spec}})
                return
            except ApiError as error:
                if error.status != 409:
                    raise

    def remove(self, user: str) -> None:
        """Delete a UserSpace."""
        item = self.space(user)
        assert item is not None
        self.client.delete("UserSpace", HUB, item["metadata"]["name"], item["metadata"]["uid"])

    def ready(self, user: str) -> Object:
        """The condition Ready as it is now, empty when there is none for the newest generation."""
        item = self.space(user) or {"metadata": {}}
        status = item.get("status") or {}
        if status.get("observedGeneration") != item["metadata"].get("generation"):
            return {}
        return next((dict(entry) for entry in status.get("conditions") or [] if entry["type"] == "Ready"), {})

    def reason(self, user: str, wanted: str, seconds: float = 60) -> Object:
        """Wait until a space says ``wanted``; returns the UserSpace."""
        seen: list[Object] = [{}]

        def look() -> bool:
            seen[0] = self.ready(user)
            return bool(seen[0].get("reason") == wanted)

        try:
            wait_for(f"{wanted} for {user}", look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; last: {seen[0]}") from None
        item = self.space(user)
        assert item is not None
        return item

    def gone(self, user: str, seconds: float = 60) -> None:
        """Wait until a UserSpace and its namespace are gone."""
        wait_for(f"{user} gone", lambda: self.space(user) is None, seconds)
        assert self.client.get("Namespace", "", self.namespace(user)) is None

    def namespace(self, user: str) -> str:
        """Name of a user's namespace."""
        return names.namespace_name("hub-user-", user)

    def there(self, user: str) -> set[tuple[str, str]]:
        """Kind and name of what is in a user's namespace."""
        from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.paths import OWNED

        return {(kind, item["metadata"]["name"]) for kind in OWNED for item in self.client.list(kind, self.namespace(user))}
