"""Downloads from a real web server on loopback."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.download import checksum_in, fetch, fetch_text, unpack
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import DownloadError

CONTENT = bytes(range(256)) * 4000
SUM = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT under every path; the path says how."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        if self.path == "/missing":
            self.send_error(404, "Not Found")
            return
        if self.path == "/ill" and len(self.server.asked) < 3:
            self.send_error(503, "Busy")
            return
        begin = 0
        if self.headers.get("Range") and self.path != "/no-ranges":
            begin = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if begin >= len(CONTENT):
                self.send_error(416)
                return
        data = CONTENT[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        # Breaks off after a third of a megabyte, like a bad line.
        self.wfile.write(data[:300000] if self.path == "/breaks" else data)

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield server
        server.shutdown()


@pytest.mark.parametrize("path", ["/plain", "/breaks", "/ill"])
def test_fetch(server, tmp_path, path):
    fetch(server.url + path, tmp_path / "out", SUM, pause=lambda seconds: None)
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    if path == "/breaks":
        assert [asked for _path, asked in server.asked] == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


@pytest.mark.parametrize("path", ["/plain", "/no-ranges"])
def test_an_interrupted_download_is_continued_where_the_server_can(server, tmp_path, path):
    (tmp_path / "out.part").write_bytes(CONTENT[:1000])
    fetch(server.url + path, tmp_path / "out", SUM)
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert server.asked == [(path, "bytes=1000-")]


def test_a_whole_part_is_not_fetched_again(server, tmp_path):
    (tmp_path / "out.part").write_bytes(CONTENT)
    fetch(server.url + "/plain", tmp_path / "out", SUM)
    assert (tmp_path / "out").read_bytes() == CONTENT


def test_a_wrong_checksum_is_told_and_the_file_thrown_away(server, tmp_path):
    with pytest.raises(DownloadError, match=rf"/plain has sha256 {SUM}, expected {'0' * 64}; the file was thrown away"):
        fetch(server.url + "/plain", tmp_path / "out", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_spoilt_part_does_not_survive(server, tmp_path):
    (tmp_path / "out.part").write_bytes(b"spoilt")
    with pytest.raises(DownloadError, match="thrown away"):
        fetch(server.url + "/plain", tmp_path / "out", SUM)
    fetch(server.url + "/plain", tmp_path / "out", SUM)
    assert (tmp_path / "out").read_bytes() == CONTENT


def test_missing_names_the_url_and_is_not_tried_again(server, tmp_path):
    with pytest.raises(DownloadError, match=r"/missing answered 404 Not Found; does that version exist there\?"):
        fetch(server.url + "/missing", tmp_path / "out", SUM)
    assert len(server.asked) == 1
    with pytest.raises(DownloadError, match=r"/missing answered 404"):
        fetch_text(server.url + "/missing")


def test_nobody_there(server, tmp_path):
    url = "http://127.0.0.1:9/x"  # discard: nobody listens
    pauses = []
    with pytest.raises(DownloadError, match=rf"{url} could not be fetched: .*refused.*run again to continue"):
        fetch(url, tmp_path / "out", SUM, pause=pauses.append)
    assert pauses == [2.0, 4.0, 8.0]


@pytest.mark.parametrize("sha256", ["", "abc", SUM.upper()])
def test_without_a_checksum_nothing_is_fetched(server, tmp_path, sha256):
    with pytest.raises(DownloadError, match="no sha256 is known"):
        fetch(server.url + "/plain", tmp_path / "out", sha256)
    assert server.asked == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y"])
def test_only_the_web(url, tmp_path):
    with pytest.raises(DownloadError, match="neither an http nor an https address"):
        fetch(url, tmp_path / "out", SUM, pause=lambda seconds: None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SUM, SUM),
        (f"{SUM}  x.tgz\n", SUM),
        (f"{'1' * 64}  y.tgz\n{SUM} *./release/x.tgz\n", SUM),
        (f"{SUM.upper()}  x.tgz", SUM),
        (f"{SUM}  y.tgz\n", ""),
        ("<html>not found</html>", ""),
        ("", ""),
    ],
)
def test_checksum_in(text, found):
    assert checksum_in(text, "x.tgz") == found


def test_unpack(tmp_path):
    archive = tmp_path / "a.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("./bin/one", "bin/two"):
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    unpack(archive, {"cni/one": "bin/one", "two": "bin/two"}, tmp_path / "out")
    assert (tmp_path / "out/cni/one").read_text() == "./bin/one"
    assert (tmp_path / "out/two").stat().st_mode & 0o777 == 0o755
    with pytest.raises(DownloadError, match=r"a.tgz has no file 'bin/three'"):
        unpack(archive, {"three": "bin/three"}, tmp_path / "out")
    archive.write_text("not an archive")
    with pytest.raises(DownloadError, match="no archive that can be read"):
        unpack(archive, {"one": "bin/one"}, tmp_path / "out")
    unpack(archive, {"plain": ""}, tmp_path / "out")
    assert (tmp_path / "out/plain").read_text() == "not an archive"
