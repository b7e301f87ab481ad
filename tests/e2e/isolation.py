"""What a notebook may reach and do, as data: cells of (from, what, probe, expectation), and how each is probed."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from site_verify.scenario import Person

from tests.e2e.site import Site

OPEN, SILENT, CLOSED, DENIED, REFUSED = "connected", "silence", "not connected", "denied", "refused by Pod Security"

# Runs every probe of PROBES in a thread of its own, in the notebook, and prints what came of each.
INSIDE = r"""
import ctypes, errno, json, os, pathlib, socket, urllib.error, urllib.request
from concurrent.futures import ThreadPoolExecutor
def tcp(host, port):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return "connected"
    except TimeoutError:
        return "silence"
    except OSError as error:
        return f"not connected ({errno.errorcode.get(error.errno, error)})"
def hub(method, path):
    headers = {"Authorization": "token " + os.environ["JUPYTERHUB_API_TOKEN"]}
    request = urllib.request.Request(os.environ["JUPYTERHUB_API_URL"] + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
def call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    values = [argument.encode() if isinstance(argument, str) else argument for argument in arguments]
    if getattr(libc, name)(*values) == 0:
        return "done"
    return "denied" if ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ENOSYS) else errno.errorcode[ctypes.get_errno()]
def raw_socket():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
        return "done"
    except PermissionError:
        return "denied"
def write(path):
    try:
        with open(path, "ab"):
            return "done"
    except OSError:
        return "denied"
def seen(text):
    mounts = [line for line in open("/proc/self/mounts") if text in line]
    found = [str(path) for root in ("/home", "/srv", "/mnt", "/shared", "/var/lib", "/tmp") for path in pathlib.Path(root).glob("*/*") if text in str(path)]
    return "seen" if mounts or found else "nothing"
def there(path):
    return "there" if os.path.exists(path) else "nothing"
def names(host):
    try:
        return "resolved" if socket.getaddrinfo(host, 443) else "nothing"
    except OSError as error:
        return str(error)
KINDS = {"tcp": tcp, "hub": hub, "call": call, "raw_socket": raw_socket, "write": write, "seen": seen, "there": there, "names": names}
with ThreadPoolExecutor(32) as pool:
    print(json.dumps(list(pool.map(lambda probe: KINDS[probe[0]](*probe[1:]), PROBES))))
"""
# The same connection from the hub's pod, where it is allowed: so that silence elsewhere is the policy's doing.
FROM_HUB = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5).close(); print('connected')"


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix.

    ``probe`` is what is called in the notebook (``INSIDE``), or ``("pod", spec)`` and ``("api", method, path, body)``, made with the hub's
    account. ``answers`` says from where the target is first seen to answer: ``host``, ``hub``, or nowhere (empty).
    """

    subject: str
    target: str
    probe: tuple[Any, ...]
    expected: str
    answers: str = ""


def met(expected: str, seen: str) -> bool:
    """Whether what was seen is what was expected. ``not connected`` is met by silence, too, and ``403 or 404`` by either."""
    return seen in expected.split(" or ") or (expected == CLOSED and (seen == SILENT or seen.startswith(CLOSED)))


def restricted(**changes: Any) -> dict[str, Any]:
    """The spec of a pod that Pod Security lets in; ``changes`` are to the pod, ``container`` and ``security`` to its container."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "runAsUser": 20001}
    container = {
        "name": "a",
        "image": "a",
        "securityContext": {**security, "seccompProfile": {"type": "RuntimeDefault"}, **changes.pop("security", {})},
        **changes.pop("container", {}),
    }
    return {"containers": [container], **changes}


# What the hub itself could try in a user's namespace, if somebody took it over.
ESCAPES: dict[str, dict[str, Any]] = {
    "host path": restricted(volumes=[{"name": "v", "hostPath": {"path": "/"}}]),
    "privileged": restricted(security={"privileged": True, "allowPrivilegeEscalation": True}),
    "host network": restricted(hostNetwork=True),
    "host processes": restricted(hostPID=True),
    "host IPC": restricted(hostIPC=True),
    "host port": restricted(container={"ports": [{"containerPort": 22, "hostPort": 22}]}),
    "run as root": restricted(security={"runAsNonRoot": False, "runAsUser": 0}),
    "more capabilities": restricted(security={"capabilities": {"add": ["SYS_ADMIN"]}}),
    "privilege escalation": restricted(security={"allowPrivilegeEscalation": True}),
    "no seccomp": restricted(security={"seccompProfile": {"type": "Unconfined"}}),
}


def matrix(site: Site, service_address: str, bob_address: str) -> list[Cell]:
    """All cells. ``service_address`` is that of a service before bob's notebook, ``bob_address`` that of his pod."""
    values, machines = site.values, site.machines
    hub, storage = values["hub_namespace"], values["hub_storage_address"]
    registry_host, registry_port = values["hub_registry"].split(":")
    services = {service.metadata.name: service.spec for service in site.core.list_namespaced_service(hub).items}
    kubernetes = site.core.read_namespaced_service("kubernetes", "default").spec.cluster_ip
    spaces = site.pods(hub, "user-spaces-")
    proxies = site.pods(hub, "proxy-")
    nodes = {name: address for name, address in machines.items() if address != storage}
    alice, bob = site.user_namespace("alice"), site.user_namespace("bob")
    export = f"{values.get('hub_storage_export', '/srv/hub')}/{bob}/home"

    def tcp(target: str, host: str, port: int, answers: str = "", expected: str = SILENT) -> Cell:
        return Cell("notebook", target, ("tcp", host, port), expected, answers)

    def api(target: str, method: str, path: str, body: dict[str, Any] | None, expected: str) -> Cell:
        return Cell("hub", target, ("api", method, path, body), expected)

    cells = [
        tcp("hub", services["hub"].cluster_ip, 8081, expected=OPEN),
        Cell("notebook", "names", ("names", f"hub.{hub}.svc.cluster.local"), "resolved"),
        Cell("notebook", "hub API: own user", ("hub", "GET", "/user"), "200"),
        Cell("notebook", "hub API: another user", ("hub", "GET", "/users/bob"), "403 or 404"),
        Cell("notebook", "hub API: all users", ("hub", "GET", "/users"), "403 or 404"),
        Cell("notebook", "hub API: stop another's server", ("hub", "DELETE", "/users/bob/server"), "403 or 404"),
        Cell("notebook", "hub API: a token of another user", ("hub", "POST", "/users/bob/tokens"), "403 or 404"),
        tcp("another user's pod", bob_address, 8888, "hub"),
        tcp("another user's service", service_address, 8888, "hub"),
        Cell("notebook", "another user's volume, as a mount or a file", ("seen", bob), "nothing"),
        Cell("notebook", "another user's export, mounted", ("call", "mount", f"{storage}:{export}", "/tmp", "nfs", 0, f"addr={storage}"), DENIED),
        tcp("NFS export", storage, 2049, "host"),
        tcp("Kubernetes API, by its service", kubernetes, 443, "hub"),
        tcp("Kubernetes API, by its address", values["hub_control_plane_address"], 6443, "host"),
        Cell("notebook", "token of the Kubernetes API", ("there", "/var/run/secrets/kubernetes.io"), "nothing"),
        tcp("etcd", values["hub_control_plane_address"], 2379, "host"),
        *(tcp(f"kubelet of {name}", address, 10250, "host") for name, address in nodes.items()),
        *(tcp(f"node port of {name}", address, services["proxy-public"].ports[0].node_port, "host") for name, address in nodes.items()),
        *(tcp(f"SSH of {name}", address, 22, "host") for name, address in machines.items()),
        tcp("metadata address", "169.254.169.254", 80, expected=CLOSED),
        tcp("registry on the deploy host", registry_host, int(registry_port), "host"),
        tcp("proxy's own API", services["proxy-api"].cluster_ip, 8001, "hub"),
        *(tcp("another namespace: proxy", pod.status.pod_ip, 8443) for pod in proxies[:1]),
        *(tcp("another namespace: controller of user spaces", pod.status.pod_ip, 8080) for pod in spaces[:1]),
        Cell("notebook", "another network namespace", ("call", "unshare", 0x40000000), f"{DENIED} or EINVAL"),
        Cell("notebook", "another user namespace", ("call", "unshare", 0x10000000), f"{DENIED} or EINVAL"),
        Cell("notebook", "become root", ("call", "setuid", 0), DENIED),
        Cell("notebook", "raw packets", ("raw_socket",), DENIED),
        *(
            Cell("notebook", f"write {path}", ("write", path), DENIED)
            for path in ("/etc/passwd", "/usr/lib/x", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper")
        ),
        Cell("hub", "start a restricted pod in a user's namespace", ("pod", restricted()), "done"),
        *(Cell("hub", name, ("pod", spec), REFUSED) for name, spec in ESCAPES.items()),
        api("a pod in the system's namespace", "POST", "/api/v1/namespaces/kube-system/pods", {"spec": restricted()}, "403"),
        api("a pod in its own namespace", "POST", f"/api/v1/namespaces/{hub}/pods", {"spec": restricted()}, "403"),
        api("a namespace", "POST", "/api/v1/namespaces", {}, "403"),
        api("the walls of a user's namespace", "DELETE", f"/apis/networking.k8s.io/v1/namespaces/{alice}/networkpolicies/default", None, "403"),
        api("secrets", "GET", "/api/v1/secrets", None, "403"),
        api("a user's claim", "DELETE", f"/api/v1/namespaces/{alice}/persistentvolumeclaims/home", None, "403"),
        api("a shell in a user's pod", "POST", f"/api/v1/namespaces/{alice}/pods/any/exec?command=sh&stdout=true", None, "403"),
    ]
    return cells


class HubAccount:
    """Requests to the Kubernetes API with the hub's rights, as dry runs."""

    def __init__(self, site: Site) -> None:
        settings = yaml.safe_load(Path(site.values["hub_kubeconfig"]).read_text())["clusters"][0]["cluster"]
        with tempfile.NamedTemporaryFile("wb", suffix=".crt") as authority:
            authority.write(base64.b64decode(settings["certificate-authority-data"]))
            authority.flush()
            trusted = ssl.create_default_context(cafile=authority.name)
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
        token = site.core.create_namespaced_service_account_token("hub", site.values["hub_namespace"], body).status.token
        self._client = httpx.Client(base_url=settings["server"], verify=trusted, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)
        self._namespace = site.user_namespace("alice")

    def probe(self, probe: tuple[Any, ...]) -> str:
        """What came of a probe ``("pod", spec)`` or ``("api", method, path, body)``."""
        if probe[0] == "pod":
            answer = self._ask("POST", f"/api/v1/namespaces/{self._namespace}/pods", {"spec": probe[1]})
            if answer.status_code == 403 and "violates PodSecurity" in answer.text:
                return REFUSED
            return "done" if answer.status_code == 201 else f"{answer.status_code} {answer.text[:200]}"
        return str(self._ask(*probe[1:]).status_code)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        content = None if body is None else {"metadata": {"name": "isolation"}, **body}
        return self._client.request(method, path, params={**dict(httpx.URL(path).params), "dryRun": "All"} if method != "GET" else None, json=content)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def probe_all(cells: list[Cell], person: Person, account: HubAccount) -> list[str]:
    """What came of each cell, in order: those in the notebook in one go."""
    inside = [cell for cell in cells if cell.subject == "notebook"]
    code = f"PROBES = {[list(cell.probe) for cell in inside]!r}\n{INSIDE}"
    found = dict(zip((id(cell) for cell in inside), json.loads(person.run(code).splitlines()[-1])))
    return [found[id(cell)] if cell.subject == "notebook" else account.probe(cell.probe) for cell in cells]


def table(cells: list[Cell], seen: list[str]) -> str:
    """The matrix as a table for docs/security.md. Addresses are left out: they differ from site to site."""
    rows = [
        f"| {cell.subject} | {cell.target} | {cell.expected} | {'as expected' if met(cell.expected, got) else f'**{got}**'} |" for cell, got in zip(cells, seen)
    ]
    return "\n".join(["| from | to | expected | seen |", "| --- | --- | --- | --- |", *rows]) + "\n"
