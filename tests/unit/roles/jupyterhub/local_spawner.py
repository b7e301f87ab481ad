"""A spawner for tests without a cluster: what a gateway hands over, and a process that answers http and leaves its environment in a file."""

import os
import sys

from hub_handover import HandOverMixin
from jupyterhub.spawner import SimpleLocalProcessSpawner

SERVER = """
import http.server, json, os, pathlib, sys, urllib.parse
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_args):
        pass
address = urllib.parse.urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
server = http.server.HTTPServer((address.hostname, address.port), Answer)
name = os.environ["JUPYTERHUB_USER"] + "-" + os.environ["JUPYTERHUB_SERVER_NAME"]
path = pathlib.Path(sys.argv[1]) / (name + ".json")
path.with_suffix(".part").write_text(json.dumps({**os.environ, "TEST_PID": str(os.getpid())}))
path.with_suffix(".part").rename(path)
server.serve_forever()
"""


class LocalSpawner(HandOverMixin, SimpleLocalProcessSpawner):
    def cmd_of_test(self):
        return [sys.executable, "-c", SERVER, os.environ["TEST_SERVERS"]]

    def get_args(self):
        return []

    async def start(self):
        self.cmd = self.cmd_of_test()
        return await super().start()
