"""A hub and a login provider, small and scripted, on loopback: two real HTTP servers with cookies and redirects."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


@dataclass
class Site:
    """What the two servers know, and how they misbehave."""

    hub: str = ""
    provider: str = ""
    password: str = "right"
    running: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    sso: bool = False  # the provider lets everybody in without asking
    spawn_form: bool = True
    progress: list[dict[str, Any]] = field(
        default_factory=lambda: [{"progress": 50, "message": "pulling"}, {"progress": 100, "ready": True, "message": "ready"}]
    )
    progress_pause_seconds: float = 0.0
    chosen: dict[str, list[str]] = field(default_factory=dict)
    stops: bool = True
    lab_status: int = 200


class Handler(BaseHTTPRequestHandler):
    """Both servers' requests; ``site`` is set on the class made for a test."""

    site: Site
    is_hub: bool

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def reply(self, status: int, body: str = "", kind: str = "text/html", **headers: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def data(self, value: Any, status: int = 200) -> None:
        self.reply(status, json.dumps(value), "application/json")

    def cookie(self, name: str) -> str:
        found = SimpleCookie(self.headers.get("Cookie", "")).get(name)
        return found.value if found else ""

    def body(self) -> str:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()

    def handle_any(self) -> None:
        (self.as_hub if self.is_hub else self.as_provider)()

    do_GET = do_POST = do_DELETE = do_PUT = handle_any  # noqa: N815

    def as_provider(self) -> None:
        form = '<title>Custos</title><form method="post"><input name="username"><input name="password" type="password"><p id="error">{}</p></form>'
        if self.command == "POST":
            sent = parse_qs(self.body())
            if sent.get("password") != [self.site.password]:
                self.reply(401, form.format("Invalid username or password."))
                return
            self.reply(302, Location=f"{self.site.hub}/hub/oauth_callback?code={sent['username'][0]}")
        elif self.site.sso:
            self.reply(302, Location=f"{self.site.hub}/hub/oauth_callback?code=alice")
        else:
            self.reply(200, form.format(""))

    def as_hub(self) -> None:
        site, url = self.site, urlsplit(self.path)
        user = self.cookie("hub")
        if self.command in {"POST", "PUT", "DELETE"} and self.cookie("_xsrf") not in (
            self.headers.get("X-XSRFToken"),
            parse_qs(url.query).get("_xsrf", [""])[0],
        ):
            self.data({"message": "_xsrf missing"}, 403)
        elif url.path == "/hub/login":
            self.reply(200, '<a href="/hub/oauth_login">Sign in with Custos</a>')
        elif url.path == "/hub/oauth_login":
            self.reply(302, Location=f"{site.provider}/auth")
        elif url.path == "/hub/oauth_callback":
            self.reply(302, Location="/hub/home", Set_Cookie=f"hub={parse_qs(url.query)['code'][0]}; Path=/")
        elif not user:
            self.data({"message": "Forbidden"}, 403)
        elif url.path == "/hub/home":
            self.reply(200, "<title>home</title>", Set_Cookie="_xsrf=token; Path=/hub/")
        elif url.path == "/hub/api/user":
            self.data({"name": user})
        elif url.path == f"/hub/api/users/{user}":
            self.data({"name": user, "servers": {name: {} for name in site.running}})
        elif url.path == f"/hub/spawn/{user}":
            self.spawn()
        elif url.path.endswith("/progress"):
            self.stream()
        elif url.path == f"/hub/api/users/{user}/server" and self.command == "DELETE":
            if site.stops:
                site.running.clear()
            self.reply(202)
        elif url.path == f"/user/{user}/lab":
            self.reply(site.lab_status, "<title>JupyterLab</title>", Set_Cookie=f"_xsrf=inner; Path=/user/{user}/")
        elif url.path.startswith(f"/user/{user}/api/contents/"):
            name = url.path.rsplit("/", 1)[1]
            if self.command == "PUT":
                site.files[name] = json.loads(self.body())["content"]
                self.data({}, 201)
            elif name in site.files:
                self.data({"content": site.files[name]})
            else:
                self.data({"message": "No such file"}, 404)
        else:
            self.data({"message": "not found"}, 404)

    def spawn(self) -> None:
        if self.command == "GET" and self.site.spawn_form:
            self.reply(
                200,
                '<form id="spawn_form" method="post" action="?_xsrf=token"><input type="radio" name="profile" value="small" checked>'
                '<input type="radio" name="profile" value="large"></form>',
            )
            return
        self.site.chosen = parse_qs(self.body())
        self.site.running.add("")
        self.reply(302, Location="/hub/spawn-pending/x")

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in self.site.progress:
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()
            time.sleep(self.site.progress_pause_seconds)


@pytest.fixture
def site() -> Iterator[Site]:
    """A running hub with its provider."""
    site = Site()
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), type("OfSite", (Handler,), {"site": site, "is_hub": is_hub})) for is_hub in (True, False)]
    site.hub, site.provider = [f"http://localhost:{server.server_address[1]}" for server in servers]
    threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    yield site
    for server, thread in zip(servers, threads):
        server.shutdown()
        server.server_close()
        thread.join(5)
