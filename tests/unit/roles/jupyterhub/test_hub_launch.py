from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hub_launch import AT_MOST, LaunchRefusedError, airavata_environment, check, folder_of, kept, pod_parts, split

from tests.unit.roles.jupyterhub.conftest import HUB_FILES, NAMES_FILE
from tests.unit.roles.jupyterhub.samples import SECRETS, VALUES

RULES = {
    "git": ["github.com", "https://gitlab.example/lab/", "http://10.0.0.1:8090"],
    "data": {
        "sea-ice": {"claim": "shared-sea-ice"},
        "sea-ice/raw": {"claim": "shared-raw", "sub_path": "v2"},
        "/cybershuttle_data/bmtk": {"volume": {"csi": {"driver": "nfs.csi.k8s.io", "readOnly": True}}},
    },
}


@pytest.mark.parametrize(
    ("query", "launch", "rest"),
    [
        ({}, {}, {}),
        ({"git": ["a"], "profile": ["large"]}, {"git": ["a"]}, {"profile": ["large"]}),
        ({"git": [""], "dataPath": ["a", "", "b"]}, {"dataPath": ["a", "b"]}, {}),
        ({"datapath": ["a"]}, {}, {"datapath": ["a"]}),
    ],
)
def test_split(query: dict[str, list[str]], launch: dict[str, list[str]], rest: dict[str, list[str]]) -> None:
    assert split(query) == (launch, rest)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://github.com/owner/name", "https://github.com/owner/name"),
        ("https://GitHub.com/owner/name.git/", "https://github.com/owner/name.git"),
        ("https://gitlab.example/lab/group/name", "https://gitlab.example/lab/group/name"),
        ("http://10.0.0.1:8090/waves.git", "http://10.0.0.1:8090/waves.git"),
    ],
)
def test_a_repository_of_an_allowed_origin(url: str, address: str) -> None:
    assert check({"git": [url]}, RULES) == {"git": [address]}


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com",
        "https://github.com/",
        "http://github.com/owner/name",
        "https://github.com.evil.example/owner/name",
        "https://evil.example/github.com/name",
        "https://github.com@evil.example/owner/name",
        "https://token@github.com/owner/name",
        "https://user:token@github.com/owner/name",
        "https://github.com:444/owner/name",
        "https://github.com:port/owner/name",
        "https://gitlab.example/laboratory/name",
        "https://gitlab.example/lab/../other/name",
        "https://gitlab.example/lab/%2e%2e/other/name",
        "https://gitlab.example/lab/.hidden",
        "https://github.com/owner/-name",
        "https://github.com/owner/name?ref=x",
        "https://github.com/owner/name#x",
        "https://github.com/owner/na me",
        "https://github.com/owner//name",
        "https://github.com\\@evil.example/owner/name",
        " https://github.com/owner/name",
        "https://github.com/owner/name\n",
        "https://github.com/owner/.git",
        "git@github.com:owner/name",
        "ssh://github.com/owner/name",
        "file:///etc",
        "ext::sh -c id",
        "--upload-pack=id",
        "/etc",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(LaunchRefusedError):
        check({"git": [url]}, RULES)


def test_a_password_in_an_address_is_not_repeated() -> None:
    for url in ("https://user:geheim@github.com/owner/name?x", "https://user:geheim@evil.example/a b"):
        with pytest.raises(LaunchRefusedError) as refused:
            check({"git": [url]}, RULES)
        assert "geheim" not in str(refused.value)


def test_nothing_is_cloned_where_the_site_names_no_origin() -> None:
    with pytest.raises(LaunchRefusedError, match="clones no repositories"):
        check({"git": ["https://github.com/owner/name"]}, {"git": [], "data": {}})


@pytest.mark.parametrize("path", ["sea-ice", "sea-ice/2024/may", "sea-ice/raw", "/cybershuttle_data/bmtk", "/cybershuttle_data/bmtk/cells"])
def test_data_of_the_list_and_below_it(path: str) -> None:
    assert check({"dataPath": [path]}, RULES) == {"dataPath": [path]}


@pytest.mark.parametrize(
    "path",
    ["/", "", ".", "..", "sea-ice/..", "sea-ice/../other", "sea-ice/./x", "sea-ice//x", "sea-icecream", "/sea-ice", "cybershuttle_data/bmtk",
     "/cybershuttle_data", "/etc", "sea-ice/$(id)", "sea-ice/a b", "sea-ice/a\n", "sea-ice/.ssh", "sea-ice/"],
)  # fmt: skip
def test_other_data_is_refused(path: str) -> None:
    with pytest.raises(LaunchRefusedError, match=r"which is: /cybershuttle_data/bmtk, sea-ice, sea-ice/raw"):
        check({"dataPath": [path]}, RULES)


@pytest.mark.parametrize(
    "options",
    [{"git": "https://github.com/a/b"}, {"git": [1]}, {"dataPath": {"a": 1}}, {"git": ["https://github.com/a/b"] * (AT_MOST + 1)}],
)
def test_options_of_the_api_may_be_anything(options: dict[str, Any]) -> None:
    with pytest.raises(LaunchRefusedError):
        check(kept(options), RULES)


def test_two_repositories_need_two_folders() -> None:
    with pytest.raises(LaunchRefusedError, match="same folder"):
        check({"git": ["https://github.com/a/waves", "https://github.com/b/Waves.git"]}, RULES)
    assert check({"git": ["https://github.com/a/waves"] * 2}, RULES) == {"git": ["https://github.com/a/waves"]}


@pytest.mark.parametrize("options", [None, [], "x", {}, {"profile": "large"}])
def test_options_without_a_launch(options: Any) -> None:
    assert kept(options) == {}


def test_folder() -> None:
    assert folder_of("https://github.com/owner/name.git") == "name"


def test_pod_parts_are_read_only() -> None:
    launch = check(
        {"git": ["https://github.com/a/b", "https://github.com/a/c"], "dataPath": ["sea-ice", "sea-ice/2024", "sea-ice/raw/x", "/cybershuttle_data/bmtk"]},
        RULES,
    )
    environment, volumes, mounts = pod_parts(launch, RULES)
    assert environment == {
        "HUB_GIT_URLS": "https://github.com/a/b https://github.com/a/c",
        "HUB_DATA_PATHS": "/data/sea-ice /data/sea-ice/2024 /data/sea-ice/raw/x /data/cybershuttle_data/bmtk",
    }
    assert [volume.get("persistentVolumeClaim") for volume in volumes.values()] == [
        {"claimName": "shared-sea-ice", "readOnly": True},
        {"claimName": "shared-raw", "readOnly": True},
        None,
    ]
    assert [(mount["name"], mount.get("subPath")) for mount in mounts.values()] == [("data-0", None), ("data-0", "2024"), ("data-1", "v2/x"), ("data-2", None)]
    assert all(mount["readOnly"] is True for mount in mounts.values())
    assert all(volume["name"] == key for key, volume in volumes.items())


@pytest.mark.parametrize(
    ("airavata", "issuer", "environment"),
    [
        ({}, "https://login.example/auth/realms/seagrid", {}),
        (
            {"gateway_id": "seagrid", "api_server_port": 8930, "api_server_secure": True},
            "https://login.example/auth/realms/seagrid",
            {
                "AUTH_SERVER_URL": "https://login.example/auth",
                "AUTH_REALM": "seagrid",
                "GATEWAY_ID": "seagrid",
                "API_SERVER_PORT": "8930",
                "API_SERVER_SECURE": "True",
            },
        ),
        ({"gateway_id": "a", "api_server_secure": False, "sftp_port": None}, "https://cilogon.org", {"GATEWAY_ID": "a"}),
        ({"auth_realm": "other"}, "https://l/realms/x", {"AUTH_SERVER_URL": "https://l", "AUTH_REALM": "other"}),
    ],
)
def test_airavata_environment(airavata: dict[str, Any], issuer: str, environment: dict[str, str]) -> None:
    assert airavata_environment(airavata, issuer) == environment


POD = """
import asyncio, json, sys
sys.path[:0] = sys.argv[1:3]
from hub_settings import settings
from hub_spawner import UserSpawner
from kubernetes_asyncio.client import ApiClient
from traitlets.config import Config
values, secrets = json.load(open(sys.argv[3]))
async def nothing():
    return None
async def main():
    spawner = UserSpawner(_mock=True, config=Config(settings(values, secrets)))
    spawner.user.id, spawner.user.name, spawner.api_token = 7, "alice", "t"
    spawner.user.groups, spawner.user.get_auth_state = [], nothing
    spawner.uid, spawner.gid = 20007, 100  # as the user's space says
    made = []
    for options in ({"dataPath": ["sea-ice/2024"], "git": ["https://github.com/a/b"], "profile": "large"}, {"dataPath": ["sea-ice/2024"]}, {}):
        spawner.user_options = options
        await spawner._run_apply_user_options(options)
        await spawner.load_user_options()
        made.append(ApiClient().sanitize_for_serialization(await spawner.get_pod_manifest()))
    print(json.dumps(made))
    await spawner.api.api_client.close()
asyncio.run(main())
"""


def test_pod_of_the_real_spawner(tmp_path: Path, hub_python: Path) -> None:
    """Data is mounted, read-only, for the start that asked for it, and gone at the next that does not; the profile is honoured beside it."""
    values = {
        **VALUES,
        "gateway": {**VALUES["gateway"], "launch": RULES, "airavata": {"gateway_id": "seagrid"}},
        "profiles": [{"display_name": "Large", "slug": "large", "default": True, "kubespawner_override": {"mem_limit": "3G"}}],
    }
    (tmp_path / "in.json").write_text(json.dumps([values, SECRETS]))
    shutil.copy(NAMES_FILE, tmp_path / "user_space_names.py")
    (tmp_path / "kubeconfig").write_text(
        'clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]\nusers: [{name: u, user: {token: t}}]\n'
        "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"
    )
    run = subprocess.run(
        [hub_python, "-c", POD, HUB_FILES, tmp_path, tmp_path / "in.json"],
        capture_output=True,
        text=True,
        check=False,
        env={"KUBECONFIG": str(tmp_path / "kubeconfig")},
    )
    assert run.returncode == 0, run.stderr
    for pod, git, data in zip(json.loads(run.stdout.splitlines()[-1]), (True, False, False), (True, True, False)):
        [container] = pod["spec"]["containers"]
        environment = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert environment.get("HUB_GIT_URLS") == ("https://github.com/a/b" if git else None)
        assert environment["GATEWAY_ID"] == "default", "the site's own environment wins"
        assert environment["HOME"] == "/home/jovyan"
        mounts = [mount for mount in container["volumeMounts"] if mount["mountPath"].startswith("/data")]
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        expected = [{"name": "data-0", "mountPath": "/data/sea-ice/2024", "readOnly": True, "subPath": "2024"}]
        assert mounts == (expected if data else [])
        assert ("data-0" in volumes) is data
        if data:
            assert volumes["data-0"]["persistentVolumeClaim"] == {"claimName": "shared-sea-ice", "readOnly": True}
        assert {"home", "tmp", "passwd"} <= set(volumes)
        assert int(container["resources"]["limits"]["memory"]) == 3 * 2**30
