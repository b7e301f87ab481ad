"""The real modules against the real server of the Custos contract."""

from __future__ import annotations

import contextlib
import http.server
import importlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos import http as custos_http
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import DIALECTS

from tests.unit.services.custos_double.server import TENANT, Server, admin_token, client_token, free_port, tenant_values

MODULES = "ansible_collections.airavata.jupyterhub.plugins.modules"
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("custos")).start()
    yield running
    running.stop()


@pytest.fixture
def run(server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a module's main() with a connection to the server and ``changes``; returns its result (``failed`` included)."""
    server.calm()
    monkeypatch.setattr(custos_http.time, "sleep", lambda _seconds: None)

    def call(name: str = "custos_client", *, check: bool = False, **changes: Any) -> dict[str, Any]:
        arguments = {
            "url": server.url,
            "ca_path": str(server.ca),
            "parent_client_id": server.parent["client_id"],
            "parent_client_secret": server.parent["client_secret"],
            "parent_username": server.parent["admin_username"],
            "parent_password": server.parent["admin_password"],
            **changes,
            "_ansible_check_mode": check,
        }
        module = importlib.import_module(f"{MODULES}.{name}")
        capsys.readouterr()
        with patch_module_args({key: value for key, value in arguments.items() if value is not None}), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return call


def hub(name: str, **changes: Any) -> dict[str, Any]:
    values = tenant_values(name, **changes)
    values["scopes"] = values.pop("scope").split()
    return values


def test_create_again_change_check_delete_again(server: Server, run: Run) -> None:
    planned = run(check=True, **hub("whole life"))
    assert planned["changed"] is True
    assert planned["diff"]["before"] == {}
    assert "credentials" not in planned
    assert run("custos_client_info", client_name="whole life")["clients"] == [], "check mode made nothing"

    made = run(**hub("whole life"))
    assert made["changed"] is True
    assert made["client"]["status"] == "ACTIVE"
    assert planned["client"]["redirect_uris"] == made["client"]["redirect_uris"]
    assert made["credentials"]["iam_client_id"] == made["client"]["client_id"]
    assert made["credentials"]["iam_client_secret"] != made["credentials"]["custos_client_secret"]

    again = run(**hub("whole life"))
    assert again["changed"] is False
    assert (again["client"], again["credentials"]) == (made["client"], made["credentials"])
    assert run(**hub("whole life", admin_password="another one"))["changed"] is False

    uris = ["https://b.example.org/cb", "https://a.example.org/cb"]
    change = {**hub("whole life"), "redirect_uris": uris, "comment": "moved"}
    planned = run(check=True, **change)
    assert planned["changed"] is True
    assert run(check=True, **hub("whole life"))["changed"] is False, "check mode changed nothing"
    assert planned["diff"]["after"]["redirect_uris"] == sorted(uris)
    changed = run(**change)
    assert changed["changed"] is True
    assert changed["diff"] == planned["diff"]
    assert changed["client"]["client_id"] == made["client"]["client_id"]
    assert run(**{**change, "redirect_uris": uris[::-1]})["changed"] is False, "order does not matter"
    assert run(client_name="whole life", domain="hub.example.org")["changed"] is False, "what is not given stays"

    for text in ("hub admin password", "another one", made["credentials"]["iam_client_secret"]):
        assert text not in json.dumps([made["diff"], changed["diff"]])

    gone = {"client_name": "whole life", "domain": "hub.example.org", "state": "absent"}
    assert run(check=True, **gone)["changed"] is True
    assert len(run("custos_client_info", client_name="whole life")["clients"]) == 1
    deleted = run(**gone)
    assert deleted["changed"] is True
    assert deleted["client"] == {}
    assert run(**gone)["changed"] is False
    fresh = run(**hub("whole life"))
    assert fresh["client"]["client_id"] != made["client"]["client_id"], "a deactivated one does not count"


def test_a_stored_id_finds_a_renamed_client(run: Run) -> None:
    made = run(**hub("old name"))
    renamed = run(**hub("new name"), client_id=made["client"]["client_id"])
    assert renamed["changed"] is True
    assert (renamed["client"]["client_id"], renamed["client"]["client_name"]) == (made["client"]["client_id"], "new name")
    run(client_name="new name", domain="hub.example.org", state="absent")
    assert run(**hub("new name"), client_id=made["client"]["client_id"])["changed"] is True, "a stored id that is gone falls back to the name"


def test_an_update_keeps_what_no_option_is_for(server: Server, run: Run) -> None:
    made = run(**hub("with extras"))["client"]
    with server.client() as client:
        headers = admin_token(client, server.parent)
        body = {**tenant_values("with extras"), "example_extension_parameter": "keep me", "refesh_token_lifetime": "77", "client_id": made["client_id"]}
        assert client.put(f"{TENANT}/oauth2/tenant", json=body, headers=headers).status_code == 200
        run(**hub("with extras"), comment="changed")
        found = client.get(f"{TENANT}/oauth2/tenant", params={"client_id": made["client_id"]}, headers=headers).json()
    assert (found["comment"], found["example_extension_parameter"], found["refesh_token_lifetime"]) == ("changed", "keep me", "77")


def test_the_look_up_reads_every_page(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        run(**hub(f"page {number}"))
    dialect = importlib.import_module("ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.v1_0_0")
    monkeypatch.setattr(dialect, "PAGE", 1)
    assert run(**hub("page 2"))["changed"] is False


def test_two_of_the_same_are_noted_and_the_oldest_is_used(server: Server, run: Run) -> None:
    made = run(**hub("twin"))["client"]["client_id"]
    with server.client() as client:
        client.post(f"{TENANT}/oauth2/tenant", json=tenant_values("twin"), headers=client_token(server.parent))
    again = run(**hub("twin"))
    assert (again["changed"], again["client"]["client_id"]) == (False, made)
    assert "several clients" in json.dumps(again["warnings"])


def as_super(server: Server) -> dict[str, str]:
    return {
        "parent_client_id": server.root["client_id"],
        "parent_client_secret": server.root["client_secret"],
        "parent_username": server.root["admin_username"],
        "parent_password": server.root["admin_password"],
        "registration": "admin",
    }


def test_a_tenant_of_its_own_waits_for_approval_which_is_no_failure(server: Server, run: Run) -> None:
    made = run(**hub("gateway"), **as_super(server))
    assert made["changed"] is True
    assert made["client"]["status"] == "REQUESTED"
    assert made["credentials"] == {}
    again = run(**hub("gateway"), **as_super(server))
    assert (again["changed"], again["client"]["status"]) == (False, "REQUESTED")
    late = run(**hub("gateway"), **as_super(server), wait=True, wait_timeout_seconds=0, wait_interval_seconds=1)
    assert late["failed"] is True
    assert "still REQUESTED after 0 s" in late["msg"]
    with server.client() as client:
        body = {"client_id": made["client"]["client_id"], "status": "ACTIVE"}
        assert client.post(f"{TENANT}/status", json=body, headers=admin_token(client, server.root)).status_code == 200
    done = run(**hub("gateway"), **as_super(server), wait=True)
    assert (done["changed"], done["client"]["status"]) == (False, "ACTIVE")
    assert done["credentials"]["iam_client_secret"]
    gone = {"client_name": "gateway", "domain": "hub.example.org", "state": "absent", **as_super(server)}
    assert [run(**gone)["changed"], run(**gone)["changed"]] == [True, False]


def test_waiting_ends_when_the_approval_comes(server: Server, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # really wait
    server.faults(approval_delay_seconds=2)
    done = run(**hub("patient"), **as_super(server), wait=True, wait_timeout_seconds=20, wait_interval_seconds=1)
    assert (done["changed"], done["client"]["status"]) == (True, "ACTIVE")


def test_a_new_client_lacks_fields(run: Run) -> None:
    result = run(client_name="bare", domain="example.org")
    assert result["failed"] is True
    assert "to register it requester_email, admin_first_name" in result["msg"]


def test_no_password_is_needed(run: Run) -> None:
    assert run(**hub("no password", admin_password=None))["client"]["status"] == "ACTIVE"


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"parent_client_secret": "wrong"}, ["401", "Error while authorizing method token", "Check parent_client_id and parent_client_secret"]),
        ({"parent_password": "wrong"}, ["500", "invalid_grant", "Check parent_username and parent_password"]),
        ({"ca_path": None}, ["certificate was not accepted", "ca_path"]),
        ({"url": "https://127.0.0.1:1", "retries": 0}, ["no connection", "check url"]),
        ({"redirect_uris": []}, ["to register it redirect_uris must be given"]),
    ],
)
def test_errors_say_what_to_do(run: Run, check: bool, changes: dict[str, Any], texts: list[str]) -> None:
    result = run(check=check, **{**hub("refused"), **changes})
    assert result["failed"] is True
    for text in texts:
        assert text in result["msg"]
    assert "hub admin password" not in json.dumps({**result, "invocation": None})


def test_overload_is_tried_again_but_a_registration_is_sent_once(server: Server, run: Run) -> None:
    server.faults(unavailable_count=3)
    assert run("custos_client_info")["clients"] is not None
    server.faults(unavailable_count=100, unavailable_path="/apiserver/identity")
    failed = run("custos_client_info")
    assert "503" in failed["msg"]
    server.faults(unavailable_count=1, unavailable_path=f"{TENANT}/oauth2/tenant")
    lost = run(**hub("overloaded"))
    assert lost["failed"] is True
    assert "not sent again" in lost["msg"]
    server.calm()
    assert run(**hub("overloaded"))["changed"] is True
    assert len(run("custos_client_info", client_name="overloaded")["clients"]) == 1


def test_a_slow_server_meets_the_limit(server: Server, run: Run) -> None:
    server.faults(slow_seconds=3)
    result = run("custos_client_info", timeout_seconds=1, retries=0)
    assert "no answer within 1 s" in result["msg"]


def test_a_token_that_is_bad_from_the_start_is_an_error(server: Server, run: Run) -> None:
    server.faults(expired_tokens=True)
    result = run("custos_client_info")
    assert result["failed"] is True
    assert "401" in result["msg"]


def test_a_token_that_expired_meanwhile_is_renewed(tmp_path: Path) -> None:
    # Long enough to be used once on a busy machine, short enough to wait for its end.
    short = Server(tmp_path, access_token_seconds=6).start()
    try:
        account = {name: short.parent[name] for name in ("client_id", "client_secret")}
        account |= {"username": short.parent["admin_username"], "password": short.parent["admin_password"]}
        dialect = DIALECTS["v1.0.0"]
        clients = dialect.clients(dialect.session(custos_http.Http(dialect.base_of(short.url), ca_path=str(short.ca), retries=0), account))
        assert clients.all("child") == []
        time.sleep(6.2)
        assert clients.all("child") == []
    finally:
        short.stop()


def test_a_lost_answer_to_a_delete_is_a_delete(run: Run, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    run(**hub("lost answer"))
    real = custos_http.open_url
    lost = []

    def break_once(url: str, **options: Any) -> Any:
        answer = real(url, **options)
        if options["method"] == "DELETE" and not lost:
            lost.append(url)
            raise ConnectionResetError("the line broke after the server had acted")
        return answer

    monkeypatch.setattr(custos_http, "open_url", break_once)
    assert run(client_name="lost answer", domain="hub.example.org", state="absent")["changed"] is True
    assert lost
    assert run("custos_client_info", client_name="lost answer")["clients"] == []


def test_info_reads_credentials_and_discovery(server: Server, run: Run) -> None:
    made = run(**hub("informed"))
    found = run("custos_client_info", client_name="informed", domain="hub.example.org", credentials=True, discovery=True)
    assert found["changed"] is False
    (client,) = found["clients"]
    assert client["credentials"] == made["credentials"]
    assert client["discovery"]["issuer"] == f"{server.front_url}/auth/realms/{client['tenant_id']}"
    assert client["discovery"]["token_endpoint"].startswith(server.url)
    assert run("custos_client_info", client_id=client["client_id"])["clients"][0]["client_name"] == "informed"
    assert run("custos_client_info", client_name="nobody")["clients"] == []


@contextlib.contextmanager
def stranger(answer: bytes, status: int = 200, location: str = "") -> Iterator[str]:
    """A web server that is not Custos."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_args: Any) -> None:
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{served.server_address[1]}"
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.mark.parametrize(
    ("answer", "status", "location", "text"),
    [
        (b"<html>hello</html>", 200, "", "not JSON"),
        (b"[]", 200, "", "no object"),
        (b"{}", 200, "", "without an access_token"),
        (b"", 302, "https://elsewhere.example.org/", "redirect to https://elsewhere.example.org/"),
    ],
)
def test_what_is_not_custos_is_said_to_be(run: Run, answer: bytes, status: int, location: str, text: str) -> None:
    with stranger(answer, status, location) as url:
        result = run("custos_client_info", url=url)
    assert result["failed"] is True
    assert text in result["msg"]
