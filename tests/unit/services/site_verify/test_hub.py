"""The browser of one user, against real HTTP servers that behave and misbehave."""

from __future__ import annotations

import ssl
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from site_verify.errors import LoginRefusedError, VerifyError
from site_verify.hub import HubSession, Limits, parse_event, tls_context


def browser(site: Any, **limits: float) -> HubSession:
    return HubSession(site.hub, None, Limits(**{"request_seconds": 5, "spawn_seconds": 5, "stop_seconds": 1, **limits}))


def test_a_person_logs_in_works_and_stops(site: Any) -> None:
    with browser(site) as session:
        assert session.whoami() is None
        assert session.login("alice", "right").title == "Custos"
        assert session.whoami() == "alice"
        events = session.spawn()
        assert [event.message for event in events] == ["pulling", "ready"]
        assert site.chosen == {"profile": ["small"]}
        notebook = session.notebook()
        notebook.write("a.txt", "text")
        assert notebook.read("a.txt") == "text"
        with pytest.raises(VerifyError, match=r"contents/b\.txt.*answered 404"):
            notebook.read("b.txt")
        session.stop()
        assert session.servers() == {}


def test_a_profile_can_be_chosen_and_a_hub_without_a_form_works(site: Any) -> None:
    with browser(site) as session:
        session.login("alice", "right")
        session.spawn(profile="large")
        assert site.chosen == {"profile": ["large"]}
        site.spawn_form = False
        assert session.spawn()[-1].message == "ready"
        assert site.chosen == {}


def test_the_xsrf_token_is_that_of_the_nearest_path(site: Any) -> None:
    with browser(site) as session:
        session.login("alice", "right")
        session.notebook()
        assert [session.xsrf(path) for path in ("/hub/api/user", "/user/alice/api/kernels", "/user/bob/")] == ["token", "inner", ""]


def test_a_wrong_password_is_refused_with_the_providers_words(site: Any) -> None:
    with browser(site) as session:
        with pytest.raises(LoginRefusedError, match="Invalid username or password"):
            session.login("alice", "wrong")
        assert session.whoami() is None


def test_a_provider_that_does_not_ask_is_named(site: Any) -> None:
    site.sso = True
    with browser(site) as session, pytest.raises(VerifyError, match=r"no login form was shown; the login ended at .*/hub/home"):
        session.login("alice", "right")


@pytest.mark.parametrize(
    ("progress", "message"),
    [
        ([{"message": "pulling"}, {"failed": True, "message": "image not found"}], "did not start: pulling | image not found"),
        ([{"message": "pulling"}], "ended before alice's server was ready: pulling"),
        ([], "it said nothing; look at the hub's log"),
        ([[1]], "broken event"),
    ],
)
def test_a_server_that_does_not_start_is_told_with_the_last_lines(site: Any, progress: list[Any], message: str) -> None:
    site.progress = progress
    with browser(site) as session:
        session.login("alice", "right")
        with pytest.raises(VerifyError) as caught:
            session.spawn()
    assert message in str(caught.value)


def test_a_start_is_not_waited_for_endlessly(site: Any) -> None:
    site.progress = [{"message": f"pulling {i}"} for i in range(100)]
    site.progress_pause_seconds = 0.05
    with browser(site, spawn_seconds=0.2) as session:
        session.login("alice", "right")
        with pytest.raises(VerifyError, match=r"not ready within 0\.2 s: pulling"):
            session.spawn()


def test_a_server_that_does_not_stop_is_named(site: Any) -> None:
    site.stops = False
    with browser(site, stop_seconds=0.1) as session:
        session.login("alice", "right")
        session.spawn()
        with pytest.raises(VerifyError, match=r"still there 0\.1 s after"):
            session.stop()


def test_an_error_page_is_told(site: Any) -> None:
    site.lab_status = 503
    with browser(site) as session:
        session.login("alice", "right")
        with pytest.raises(VerifyError, match="/user/alice/lab answered 503"):
            session.notebook()


@pytest.mark.parametrize("line", ["", ": comment", "event: x"])
def test_lines_without_an_event(line: str) -> None:
    assert parse_event(line) is None


@pytest.mark.parametrize("line", ["data: {", "data:", "data: 1"])
def test_broken_events(line: str) -> None:
    with pytest.raises(VerifyError, match="broken event"):
        parse_event(line)


def test_only_the_sites_ca_is_trusted(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="cannot be used"):
        tls_context(tmp_path / "missing.crt")
    (tmp_path / "no.crt").write_text("no certificate")
    with pytest.raises(VerifyError, match="cannot be used"):
        tls_context(tmp_path / "no.crt")
    served, other = [certificate(tmp_path, name) for name in ("served", "other")]
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(served.with_suffix(".crt"), served.with_suffix(".key"))
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    url = f"https://localhost:{server.server_address[1]}"
    with HubSession(url, tls_context(served.with_suffix(".crt"))) as session:
        assert session.client.get(url).status_code == 501  # answered: this server knows no GET
    with HubSession(url, tls_context(other.with_suffix(".crt"))) as session, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        session.client.get(url)
    server.shutdown()
    server.server_close()


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate for localhost and its key, as <name>.crt and <name>.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    built = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now - timedelta(hours=1), now + timedelta(hours=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    path = folder / name
    path.with_suffix(".crt").write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    return path
