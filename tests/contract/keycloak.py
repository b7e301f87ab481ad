"""A real Keycloak on loopback: fetched once from Maven Central, started with TLS, stopped by its process group."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.unit.services.custos_double.server import TOP, Server, free_port, make_certificates

START_SECONDS = 300  # the first start builds: 80 s on two idle cores
ADMIN = {"username": "admin", "password": "admin of the test"}


def cache_dir() -> Path:
    """Beside the bundle, outside the repository."""
    site: dict[str, Any] = yaml.safe_load((TOP / "inventories/local/group_vars/all/hub.yml").read_text(encoding="utf-8"))
    return Path(site["hub_cache_dir"]) / "keycloak"


def wanted() -> dict[str, str]:
    """``{artifact, version, sha256}`` of versions.yml."""
    versions: dict[str, Any] = yaml.safe_load((TOP / "versions.yml").read_text(encoding="utf-8"))
    keycloak: dict[str, str] = versions["tests"]["keycloak"]
    return keycloak


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(*command: str, timeout: int = 900) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2000:]}")


def install_programs() -> None:
    """Java and Maven from Debian, where they are missing."""
    missing = [package for program, package in (("java", "default-jre-headless"), ("mvn", "maven")) if shutil.which(program) is None]
    if missing:
        run("apt-get", "update")
        run("apt-get", "install", "--yes", "--no-install-recommends", *missing)


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def unpacked() -> Path:
    """Keycloak's folder, fetched, checked and unpacked if need be."""
    spec, cache = wanted(), cache_dir()
    group, name = spec["artifact"].split(":")
    home = cache / f"keycloak-{spec['version']}"
    with locked(cache):
        if not home.is_dir():
            install_programs()
            store = cache / "maven"
            run("mvn", "--batch-mode", "--quiet", f"-Dmaven.repo.local={store}", "dependency:get", "-Dtransitive=false",
                f"-Dartifact={spec['artifact']}:{spec['version']}:zip")  # fmt: skip
            archive = store / group.replace(".", "/") / name / spec["version"] / f"{name}-{spec['version']}.zip"
            found = sha256_of(archive)
            if found != spec["sha256"]:
                raise AssertionError(f"{archive} has sha256 {found}, versions.yml says {spec['sha256']}")
            part = cache / "part"
            shutil.rmtree(part, ignore_errors=True)
            with zipfile.ZipFile(archive) as content:
                content.extractall(part)
            (part / home.name / "bin" / "kc.sh").chmod(0o755)
            (part / home.name).rename(home)
            shutil.rmtree(part)
            shutil.rmtree(store)
    return home


class Keycloak:
    """One server process with an empty database in memory."""

    admin = ADMIN

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = make_certificates(folder)
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Keycloak:
        home = unpacked()
        environment = {
            **os.environ, "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN["username"], "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN["password"], "JAVA_OPTS_KC_HEAP": "-Xmx512m",
        }  # fmt: skip
        options = [
            "--db=dev-mem", "--cache=local", "--http-relative-path=/auth", f"--https-port={self.port}", "--http-host=127.0.0.1",
            f"--http-port={free_port()}",  # start-dev listens there whatever http-enabled says, and 8080 may be taken
            f"--https-certificate-file={self.folder / 'site.crt'}", f"--https-certificate-key-file={self.folder / 'site.key'}",
            f"--hostname={self.url}/auth", "--hostname-backchannel-dynamic=true", f"--http-management-port={free_port()}",
        ]  # fmt: skip
        with locked(cache_dir()), (self.folder / "keycloak.log").open("wb") as log:  # the first start builds inside its folder
            self.process = subprocess.Popen(
                [str(home / "bin" / "kc.sh"), "start-dev", *options], env=environment, stdout=log, stderr=log, start_new_session=True
            )
            self._wait()
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with self.client() as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/auth/realms/master").status_code == 200:
                        return
                ended = self.process is None or self.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    log = (self.folder / "keycloak.log").read_text(errors="replace")[-3000:]
                    self.stop()
                    raise AssertionError(f"Keycloak {'ended' if ended else f'did not answer within {START_SECONDS} s'}: {log}")
                time.sleep(0.5)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(timeout=10)
        self.process = None

    def client(self) -> httpx.Client:
        return Server.client_of(self.url, self.ca)
