"""The files that the cluster roles write, rendered by Ansible itself from the roles' defaults, and what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomllib
import yaml

ROOT = Path(__file__).parents[3]
ROLES = ("node_base", "container_runtime", "kube_control_plane", "kube_worker", "pod_network")
PROGRAMS = ("kubelet", "kubeadm", "kubectl", "containerd", "containerd-shim-runc-v2", "ctr", "runc", "crictl")
PLUGINS = ("cni/bridge", "cni/host-local", "cni/loopback", "cni/portmap")
BUNDLE = {
    "versions": {"kubernetes": "v1.36.3"},
    "programs": {name: {"version": "v1", "sha256": name[0] * 64, "path": f"programs/{name}"} for name in (*PROGRAMS, *PLUGINS)},
    "images": {
        "kube-apiserver": {"reference": "registry.k8s.io/kube-apiserver:v1.36.3"},
        "coredns": {"reference": "registry.k8s.io/coredns/coredns:v1.15.0"},
        "etcd": {"reference": "registry.k8s.io/etcd:3.6.8-0"},
        "pause": {"reference": "registry.k8s.io/pause:3.10.2"},
        "hub": {"reference": "airavata.local/jupyterhub/hub:1"},
        "flannel": {"reference": "ghcr.io/flannel-io/flannel:v0.26.7"},
        "kube-network-policies": {"reference": "registry.k8s.io/networking/kube-network-policies:v1.1.0"},
    },
}
SITE = {
    "hub_site": "local",
    "hub_cache_dir": "/cache",
    "hub_bundle": BUNDLE,
    "hub_control_plane_address": "10.77.0.11",
    "hub_machines_provider": "local",
    "hub_pod_cidr": "10.244.0.0/16",
    "hub_service_cidr": "10.96.0.0/16",
    "hub_kubeconfig": "/state/kubeconfig",
    "hub_registry": "10.77.0.1:5000",
}


def load(role: str, path: str) -> dict[str, Any]:
    """Read one YAML file of a role; empty when the role has none."""
    file = ROOT / "roles" / role / path
    return (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}


def render(tmp_path: Path, role: str, wanted: dict[str, str], extra: dict[str, Any] | None = None) -> dict[str, str]:
    """Render expressions (name: Jinja) with a role's defaults and vars, by ansible-playbook on localhost."""
    ca = tmp_path / "ca.crt"
    ca.write_text("-----BEGIN CERTIFICATE-----\n")
    play = {
        "hosts": "control1",
        "gather_facts": False,
        "vars": {**load(role, "defaults/main.yml"), **load(role, "vars/main.yml"), **SITE, "hub_ca_certificate": str(ca), **(extra or {})},
        "tasks": [
            {
                "name": f"Render {name}",
                "ansible.builtin.copy": {"content": expression, "dest": str(tmp_path / name), "mode": "0600"},
                "delegate_to": "localhost",
            }
            for name, expression in wanted.items()
        ],
    }
    inventory = {
        "all": {
            "hosts": {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}},
            "children": {
                "hub_control_plane": {"hosts": {"control1": {"ansible_host": "10.77.0.11"}}},
                "hub_workers": {"hosts": {"worker1": {"ansible_host": "10.77.0.21"}}},
            },
        }
    }
    # Templates are looked up beside the playbook, so the role's own are linked there.
    if (ROOT / "roles" / role / "templates").exists():
        (tmp_path / "templates").symlink_to(ROOT / "roles" / role / "templates")
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(tmp_path / "inventory.yml"), str(tmp_path / "play.yml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: (tmp_path / name).read_text() for name in wanted}


def template(name: str) -> str:
    return "{{ lookup('ansible.builtin.template', '" + name + "') }}"


def kubeadm(tmp_path: Path, extra: dict[str, Any]) -> dict[str, Any]:
    text = render(tmp_path, "kube_control_plane", {"kubeadm": template("kubeadm.yml.j2")}, extra)["kubeadm"]
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def test_kubeadm_configuration_of_the_local_site(tmp_path: Path) -> None:
    found = kubeadm(tmp_path, {"kube_control_plane_ignored_preflight_errors": ["NumCPU", "SystemVerification"]})
    init, cluster = found["InitConfiguration"], found["ClusterConfiguration"]
    assert init["apiVersion"] == cluster["apiVersion"] == "kubeadm.k8s.io/v1beta4"
    assert init["localAPIEndpoint"] == {"advertiseAddress": "10.77.0.11", "bindPort": 6443}
    assert init["nodeRegistration"]["ignorePreflightErrors"] == ["NumCPU", "SystemVerification"]
    assert init["nodeRegistration"]["kubeletExtraArgs"] == [{"name": "node-ip", "value": "10.77.0.11"}]
    assert "taints" not in init["nodeRegistration"]
    assert cluster["imageRepository"] == "registry.k8s.io"
    assert cluster["dns"] == {"imageRepository": "registry.k8s.io/coredns", "imageTag": "v1.15.0"}
    assert cluster["etcd"]["local"]["imageTag"] == "3.6.8-0"
    assert cluster["networking"] == {"podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/16", "dnsDomain": "cluster.local"}
    assert cluster["apiServer"] == {"certSANs": ["10.77.0.11", "control1", "localhost", "127.0.0.1"], "extraArgs": []}
    for component in ("controllerManager", "scheduler"):
        assert cluster[component]["extraArgs"] == [{"name": "leader-elect", "value": "false"}]
    assert found["KubeletConfiguration"]["cgroupDriver"] == "systemd"
    assert found["KubeProxyConfiguration"]["mode"] == "nftables"
    assert found["KubeProxyConfiguration"]["conntrack"] == {"maxPerCore": 0}


def test_kubeadm_configuration_of_a_cloud_site(tmp_path: Path) -> None:
    found = kubeadm(
        tmp_path,
        {
            "kube_control_plane_endpoint": "api.example.org:443",
            "kube_control_plane_certificate_names": ["192.0.2.7"],
            "kube_control_plane_api_server_arguments": {"audit-log-maxage": 30, "anonymous-auth": "true"},
            "kube_control_plane_kubelet_config": {"maxPods": 250, "cgroupDriver": "systemd"},
        },
    )
    assert found["InitConfiguration"]["localAPIEndpoint"]["bindPort"] == 443
    assert found["ClusterConfiguration"]["controlPlaneEndpoint"] == "api.example.org:443"
    assert found["ClusterConfiguration"]["apiServer"]["certSANs"] == ["api.example.org", "10.77.0.11", "control1", "localhost", "127.0.0.1", "192.0.2.7"]
    assert found["ClusterConfiguration"]["apiServer"]["extraArgs"] == [
        {"name": "anonymous-auth", "value": "true"},
        {"name": "audit-log-maxage", "value": "30"},
    ]
    assert found["KubeletConfiguration"]["maxPods"] == 250


def test_container_runtime_files(tmp_path: Path) -> None:
    found = render(
        tmp_path,
        "container_runtime",
        {"config": template("config.toml.j2"), "hosts": template("hosts.toml.j2"), "wanted": "{{ __container_runtime_wanted | to_json }}"}
        | {"files": "{{ __container_runtime_files | to_json }}"},
    )
    plugins = tomllib.loads(found["config"])["plugins"]
    assert plugins["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "registry.k8s.io/pause:3.10.2"
    assert plugins["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True
    assert plugins["io.containerd.cri.v1.runtime"]["enable_unprivileged_ports"] is False
    assert plugins["io.containerd.cri.v1.runtime"]["stats_collect_period"] == "60s"
    assert plugins["io.containerd.nri.v1.nri"] == {"disable": False, "socket_path": "/var/run/nri/nri.sock"}
    mirror = tomllib.loads(found["hosts"])["host"]["https://10.77.0.1:5000"]
    assert mirror["capabilities"] == ["pull", "resolve"]
    files = {entry["path"]: entry for entry in yaml.safe_load(found["files"])}
    assert files[mirror["ca"]]["content"].startswith("-----BEGIN CERTIFICATE-----\n")
    assert {path for path, entry in files.items() if entry.get("restart", True)} == {
        "/etc/systemd/system/containerd.service",
        "/etc/containerd/config.toml",
    }
    wanted = yaml.safe_load(found["wanted"])
    assert {"name": "cni/bridge", "path": "/opt/cni/bin/bridge", "sha256": "c" * 64, "version": "v1"} in wanted
    assert len(wanted) == 9


def test_kubelet_unit(tmp_path: Path) -> None:
    found = render(tmp_path, "kube_worker", {"unit": template("kubelet.service.j2"), "dropin": template("10-kubeadm.conf.j2")})
    assert "ConditionPathExists=/var/lib/kubelet/config.yaml" in found["unit"]
    starts = re.findall(r"^ExecStart=.*$", found["dropin"], re.MULTILINE)
    assert starts[0] == "ExecStart="
    assert starts[1].startswith("ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS")


def test_pod_network_manifests(tmp_path: Path) -> None:
    found = render(
        tmp_path,
        "pod_network",
        {"flannel": template("flannel.yml.j2"), "policies": template("network-policies.yml.j2")},
    )
    flannel = {document["kind"]: document for document in yaml.safe_load_all(found["flannel"])}
    assert yaml.safe_load(flannel["ConfigMap"]["data"]["net-conf.json"]) == {
        "Network": "10.244.0.0/16",
        "EnableNFTables": True,
        "Backend": {"Type": "vxlan"},
    }
    policies = {document["kind"]: document for document in yaml.safe_load_all(found["policies"])}
    (container,) = policies["DaemonSet"]["spec"]["template"]["spec"]["containers"]
    assert "--fail-open=false" in container["args"]
    assert {"name": "nri", "mountPath": "/var/run/nri"} in container["volumeMounts"]
    for manifests in (flannel, policies):
        pods = manifests["DaemonSet"]["spec"]
        assert pods["selector"]["matchLabels"].items() <= pods["template"]["metadata"]["labels"].items()
        for container in pods["template"]["spec"]["containers"]:
            assert container["imagePullPolicy"] == "IfNotPresent"
        for rule in manifests["ClusterRole"]["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]


@pytest.mark.parametrize("role", ROLES)
def test_inputs_are_documented_and_named(role: str) -> None:
    defaults = load(role, "defaults/main.yml")
    specs = load(role, "meta/argument_specs.yml")["argument_specs"]
    options: dict[str, Any] = {}
    for entry in specs.values():
        options.update(entry["options"])
    assert set(options) == set(defaults)
    assert {name: option.get("default") for name, option in options.items()} == defaults
    readme = (ROOT / "roles" / role / "README.md").read_text()
    for name in defaults:
        assert name.startswith(f"{role}_")
        assert f"`{name}`" in readme
    assert 10 <= len(readme.splitlines()) <= 40
    assert all(name.startswith(f"__{role}_") for name in load(role, "vars/main.yml"))
