"""A real API server on loopback: etcd, kube-apiserver and the volume controllers of kube-controller-manager, from the bundle.

No node and no scheduler: what the controllers do with claims and volumes is real, pods are not needed for it.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PROGRAMS = Path(os.environ.get("HUB_CACHE_DIR", "/var/cache/airavata-jupyterhub")) / "bundle" / "programs"
_CONTROLLERS = (
    "persistentvolume-binder-controller",
    "persistentvolume-expander-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "serviceaccount-token-controller",
)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(what: str, test: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the first true result of `test`, or fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        result = test()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.1)


class ApiServer:
    """Processes, files and an administrator's kubeconfig in one folder."""

    def __init__(self, folder: Path, *more_controllers: str) -> None:
        self.folder, self._controllers = folder, (*_CONTROLLERS, *more_controllers)
        self.port, self._etcd_port = free_port(), free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.url = f"https://127.0.0.1:{self.port}"
        self.kubeconfig = folder / "admin.kubeconfig"

    def _start(self, name: str, *argv: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen([PROGRAMS / name, *argv], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)

    def start(self) -> None:
        """Start everything and wait until the API answers."""
        key, token = self.folder / "sa.key", self.folder / "tokens.csv"
        pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = serialization.Encoding.PEM
        key.write_bytes(pair.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
        (self.folder / "sa.pub").write_bytes(pair.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
        token.write_text("administrator,admin,1,system:masters\n")
        token.chmod(0o600)
        etcd = f"http://127.0.0.1:{self._etcd_port}"
        self._start(
            "etcd", f"--data-dir={self.folder / 'etcd'}", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{free_port()}", "--unsafe-no-fsync",
        )  # fmt: skip
        self.start_api()
        self._start(
            "kube-controller-manager", f"--kubeconfig={self.kubeconfig}", f"--controllers={','.join(self._controllers)}", "--leader-elect=false",
            f"--service-account-private-key-file={key}", f"--root-ca-file={self.folder / 'apiserver.crt'}", f"--secure-port={free_port()}",
            "--bind-address=127.0.0.1", f"--cert-dir={self.folder / 'controllers'}",
        )  # fmt: skip

    def start_api(self) -> None:
        """Start the API server alone, on the same port as before."""
        self._start(
            "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self._etcd_port}", f"--secure-port={self.port}", "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder}", f"--service-account-key-file={self.folder / 'sa.pub'}",
            f"--service-account-signing-key-file={self.folder / 'sa.key'}", "--service-account-issuer=https://kubernetes.default.svc",
            f"--token-auth-file={self.folder / 'tokens.csv'}", "--authorization-mode=RBAC", "--allow-privileged=true",
            "--service-cluster-ip-range=10.96.0.0/24",
        )  # fmt: skip
        certificate = self.folder / "apiserver.crt"
        wait_for("the certificate of the API server", certificate.exists)
        self.kubeconfig.write_text(self.config_for("administrator"))
        wait_for("the API server (see kube-apiserver.log)", self._ready, 60)

    def _ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.folder / "apiserver.crt"))
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": "Bearer administrator"})  # noqa: S310 (ours)
        try:
            with urllib.request.urlopen(request, context=context, timeout=2) as answer:  # noqa: S310 (ours)
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def config_for(self, token: str) -> str:
        """Text of a kubeconfig for the holder of a token."""
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.folder / "apiserver.crt")}}],
                "users": [{"name": "test", "user": {"token": token}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            }
        )

    def stop_api(self) -> None:
        """End the API server alone."""
        self._end("kube-apiserver")

    def _end(self, name: str) -> None:
        process = self._processes.pop(name)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """End everything."""
        for name in reversed(list(self._processes)):
            self._end(name)
