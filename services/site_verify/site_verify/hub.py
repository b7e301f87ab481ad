"""One user's browser at a JupyterHub: log in through the provider's form, start servers, use a notebook, log out."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx

from site_verify.errors import LoginRefusedError, VerifyError
from site_verify.forms import Form, Page, parse_page
from site_verify.kernel import KernelChannel, open_channel

NAVIGATE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin", "Accept": "text/html,*/*;q=0.8"}
FETCH = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Accept": "application/json"}


@dataclass(frozen=True)
class Limits:
    """How long to wait for what, in seconds."""

    request_seconds: float = 30
    spawn_seconds: float = 180
    stop_seconds: float = 90
    cell_seconds: float = 60


@dataclass(frozen=True)
class SpawnEvent:
    """A line of the hub's progress bar, and when it came (seconds after the start was asked for)."""

    seconds: float
    percent: int
    message: str


def parse_event(line: str) -> dict[str, Any] | None:
    """The event of one line of an event stream; None for blank lines and comments. Raises VerifyError for a broken one."""
    if not line.startswith("data:"):
        return None
    try:
        event = json.loads(line[len("data:") :])
    except ValueError as error:
        raise VerifyError(f"the hub's progress stream sent a broken event: {line[:120]!r}") from error
    if not isinstance(event, dict):
        raise VerifyError(f"the hub's progress stream sent a broken event: {line[:120]!r}")
    return event


def tls_context(ca_file: Path) -> ssl.SSLContext:
    """Trusts the authorities of ``ca_file`` and nobody else. Raises VerifyError when the file cannot be used."""
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise VerifyError(f"the CA file {ca_file} cannot be used: {error}") from error


class HubSession:
    """A browser profile of one user: its own cookies, nothing else. A context manager."""

    def __init__(self, url: str, tls: ssl.SSLContext | None, limits: Limits | None = None) -> None:
        """``url`` is the hub's public address, without a path. Without ``tls`` only http addresses work."""
        self.url = url.rstrip("/")
        self.tls = tls
        self.limits = limits or Limits()
        self.username = ""
        self.client = httpx.Client(verify=tls or True, timeout=self.limits.request_seconds, trust_env=False)

    def __enter__(self) -> HubSession:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.client.close()

    # --- pages ---

    def open(self, url: str) -> Page:
        """Goes to a page and follows redirects. Raises VerifyError unless it is shown (status 200)."""
        return self.shown(self.client.get(urljoin(self.url, url), headers=NAVIGATE, follow_redirects=True))

    def submit(self, form: Form, **values: str) -> Page:
        """Sends a form as a browser does and follows redirects to the next page."""
        return self.shown(self.client.request(form.method, form.action, headers=NAVIGATE, follow_redirects=True, **form_content(form, values)))

    def shown(self, response: httpx.Response) -> Page:
        """The page of a response. Raises VerifyError when it is an error page (a login form shown again with an error is none)."""
        page = parse_page(str(response.url), response.text)
        asked_again = 400 <= response.status_code < 500 and page.login_form() is not None
        if response.status_code != 200 and not asked_again:
            raise VerifyError(f"{short(response.url)} answered {response.status_code}: {page.text[:200] or response.reason_phrase}")
        return page

    def is_hub(self, page: Page) -> bool:
        """True when the page belongs to the hub, not to the login provider."""
        return urlsplit(page.url).netloc == urlsplit(self.url).netloc

    def xsrf(self, path: str) -> str:
        """The XSRF token for a path: of the cookies that would be sent, that with the longest path."""
        best = ("", "")
        for cookie in self.client.cookies.jar:
            if cookie.name == "_xsrf" and path.startswith(cookie.path) and len(cookie.path) > len(best[0]):
                best = (cookie.path, cookie.value or "")
        return best[1]

    def fetch(self, method: str, path: str, **content: Any) -> httpx.Response:
        """A script's request to the hub or to a notebook server, with the XSRF header; any status is returned."""
        return self.client.request(method, f"{self.url}{path}", headers={**FETCH, "X-XSRFToken": self.xsrf(path)}, **content)

    def fetch_json(self, method: str, path: str, expected: tuple[int, ...] = (200,), **content: Any) -> Any:
        """As fetch; the JSON of the answer (None when empty). Raises VerifyError for any other status than ``expected``."""
        response = self.fetch(method, path, **content)
        if response.status_code not in expected:
            raise VerifyError(f"{method} {path} answered {response.status_code}: {response.text[:200]}")
        try:
            return response.json() if response.content else None
        except ValueError as error:
            raise VerifyError(f"{method} {path} answered no JSON: {response.text[:80]!r}") from error

    # --- login ---

    def login_page(self) -> Page:
        """Opens the hub's login until the provider's form is shown. Raises VerifyError if no form comes."""
        page = self.open("/hub/login?next=%2Fhub%2Fhome")
        button = page.link("/oauth_login")
        if self.is_hub(page) and not page.login_form() and button:
            page = self.open(button)
        if not page.login_form():
            raise VerifyError(f"no login form was shown; the login ended at {short(page.url)} ({page.title or 'no title'})")
        return page

    def login(self, username: str, password: str) -> Page:
        """Logs in through the provider's form and returns that form's page. Raises LoginRefusedError, VerifyError."""
        page = self.login_page()
        form = page.login_form()
        assert form is not None  # login_page sees to it
        if not form.text_fields:
            raise VerifyError(f"the login form at {short(page.url)} has no field for a user name")
        after = self.submit(form, **{form.text_fields[0]: username, form.password_fields[0]: password})
        if after.login_form():
            raise LoginRefusedError(after.text_by_id.get("error") or "the login form was shown again")
        if not self.is_hub(after):
            raise VerifyError(f"the login of {username} did not come back to the hub but ended at {short(after.url)}: {after.text[:200]}")
        self.username = self.whoami() or ""
        if self.username != username:
            raise VerifyError(f"{username} logged in, but the hub says the user is {self.username or 'nobody'}")
        return page

    def whoami(self) -> str | None:
        """The user's name in the hub, None when nobody is logged in."""
        response = self.fetch("GET", "/hub/api/user")
        if response.status_code in {401, 403}:
            return None
        if response.status_code != 200:
            raise VerifyError(f"GET /hub/api/user answered {response.status_code}: {response.text[:200]}")
        return str(response.json()["name"])

    def logout(self) -> Page:
        """Follows the hub's logout to its last page."""
        return self.open("/hub/logout")

    # --- servers ---

    def user_path(self, server: str = "") -> str:
        """Where the hub's API keeps a server of this user."""
        base = f"/hub/api/users/{quote(self.username)}"
        return f"{base}/servers/{quote(server)}" if server else f"{base}/server"

    def servers(self) -> dict[str, Any]:
        """The user's servers that run or are about to, by name ('' is the default one)."""
        return dict(self.fetch_json("GET", f"/hub/api/users/{quote(self.username)}").get("servers") or {})

    def spawn(self, server: str = "", **choices: str) -> list[SpawnEvent]:
        """Starts a server through the hub's page, with the form's own defaults except for ``choices``; waits until it is ready.

        Returns the lines of the progress bar. Raises VerifyError with the last of them when it does not come up.
        """
        begun = time.monotonic()
        path = "/".join(["/hub/spawn", quote(self.username), *([quote(server)] if server else [])])
        response = self.client.get(f"{self.url}{path}", headers=NAVIGATE)
        if response.status_code == 200:
            form = parse_page(str(response.url), response.text).form("spawn_form")
            if form is None:
                raise VerifyError(f"{path} shows neither a form nor a starting server")
            response = self.client.request(form.method, form.action, headers=NAVIGATE, **form_content(form, choices))
        if not response.is_redirect:
            page = parse_page(str(response.url), response.text)
            raise VerifyError(f"{path} did not start a server, it answered {response.status_code}: {page.text[:300]}")
        return self.wait_ready(server, begun)

    def wait_ready(self, server: str, begun: float) -> list[SpawnEvent]:
        """Follows the progress bar until the server is ready. Raises VerifyError."""
        path = f"{self.user_path(server)}/progress"
        events: list[SpawnEvent] = []
        headers = {**FETCH, "Accept": "text/event-stream", "X-XSRFToken": self.xsrf(path)}
        with self.client.stream("GET", f"{self.url}{path}", headers=headers) as response:
            if response.status_code != 200:
                response.read()
                raise VerifyError(f"the progress of {self.username}'s server answered {response.status_code}: {response.text[:300]}")
            for line in response.iter_lines():
                event = parse_event(line)
                seconds = time.monotonic() - begun
                if event:
                    events.append(SpawnEvent(round(seconds, 3), int(event.get("progress", 0)), str(event.get("message", ""))))
                    if event.get("failed"):
                        raise VerifyError(f"{self.username}'s server did not start: {last_lines(events)}")
                    if event.get("ready"):
                        return events
                if seconds > self.limits.spawn_seconds:
                    raise VerifyError(f"{self.username}'s server was not ready within {self.limits.spawn_seconds:g} s: {last_lines(events)}")
        raise VerifyError(f"the hub's progress stream ended before {self.username}'s server was ready: {last_lines(events)}")

    def stop(self, server: str = "") -> None:
        """Stops a server and waits until the hub no longer lists it; a named one is forgotten too. Raises VerifyError at the limit."""
        self.fetch_json("DELETE", self.user_path(server), expected=(202, 204), json={"remove": True} if server else None)
        deadline = time.monotonic() + self.limits.stop_seconds
        while server in self.servers():
            if time.monotonic() > deadline:
                raise VerifyError(f"{self.username}'s server was still there {self.limits.stop_seconds:g} s after it was told to stop")
            time.sleep(0.3)

    def notebook(self, server: str = "") -> Notebook:
        """Opens JupyterLab's page of a running server, which also logs in there. Raises VerifyError."""
        base = "/".join(["/user", quote(self.username), *([quote(server)] if server else [])])
        page = self.open(f"{base}/lab")
        if not page.url.startswith(f"{self.url}{base}/"):
            raise VerifyError(f"{base}/lab shows {short(page.url)} ({page.title}), not JupyterLab")
        return Notebook(self, base)


@dataclass(frozen=True)
class Notebook:
    """The notebook server under ``base``, as JupyterLab's scripts use it."""

    session: HubSession
    base: str

    def write(self, path: str, text: str) -> None:
        """Writes a text file through the contents API."""
        body = {"type": "file", "format": "text", "content": text}
        self.session.fetch_json("PUT", f"{self.base}/api/contents/{quote(path)}", expected=(200, 201), json=body)

    def read(self, path: str) -> str:
        """Reads a text file through the contents API. Raises VerifyError."""
        return str(self.session.fetch_json("GET", f"{self.base}/api/contents/{quote(path)}?content=1&type=file&format=text")["content"])

    def delete(self, path: str) -> None:
        """Deletes a file through the contents API; one that is gone is fine."""
        self.session.fetch_json("DELETE", f"{self.base}/api/contents/{quote(path)}", expected=(204, 404))

    def start_kernel(self) -> str:
        """Starts a Python kernel and returns its id."""
        return str(self.session.fetch_json("POST", f"{self.base}/api/kernels", expected=(201,), json={"name": "python3"})["id"])

    def stop_kernel(self, kernel: str) -> None:
        """Ends a kernel; one that is gone is fine."""
        self.session.fetch_json("DELETE", f"{self.base}/api/kernels/{kernel}", expected=(204, 404))

    def channel(self, kernel: str) -> KernelChannel:
        """The websocket of a kernel."""
        url = f"{self.session.url}{self.base}/api/kernels/{kernel}/channels"
        cookies = self.session.client.build_request("GET", url).headers.get("Cookie", "")
        return open_channel("ws" + url[len("http") :], cookies, self.session.url, self.session.tls, self.session.limits.request_seconds)

    @contextmanager
    def kernel(self) -> Iterator[KernelChannel]:
        """A new kernel with an open websocket, ended with the block."""
        kernel = self.start_kernel()
        try:
            with self.channel(kernel) as channel:
                yield channel
        finally:
            self.stop_kernel(kernel)

    def run(self, code: str) -> str:
        """Runs one cell in a kernel of its own and returns its output."""
        with self.kernel() as channel:
            return channel.run(code, self.session.limits.cell_seconds)


def form_content(form: Form, values: dict[str, str]) -> dict[str, Any]:
    """The arguments with which httpx sends a form: in the query for GET, as a body for POST."""
    pairs: dict[str, list[str]] = {}
    for name, value in form.filled(**values):
        pairs.setdefault(name, []).append(value)
    return {"params" if form.method == "get" else "data": pairs}


def short(url: httpx.URL | str) -> str:
    """An address without its query: that may hold codes and tokens."""
    return str(url).split("?", 1)[0]


def last_lines(events: list[SpawnEvent]) -> str:
    """The last lines of the progress bar, for an error."""
    return " | ".join(event.message for event in events[-3:]) or "it said nothing; look at the hub's log"
