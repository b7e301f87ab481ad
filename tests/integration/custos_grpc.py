"""A gRPC server of Custos' first API: custos-sdk's own stubs before, the contract test server behind, as Envoy stands between them the other way round.

Runs in the environment that has custos-sdk: ``python custos_grpc.py PORT CERTIFICATE KEY REST_ADDRESS AUTHORITY``.
"""

from __future__ import annotations

import importlib
import re
import sys
import urllib.parse
from concurrent import futures
from pathlib import Path

import grpc
import requests
from google.api import annotations_pb2
from google.protobuf import json_format, message_factory

NAMES = ("TenantManagement", "IdentityManagement", "UserManagement", "GroupManagement", "ResourceSecretManagement")
CODES = {code.value[0]: code for code in grpc.StatusCode}


def flat(fields: dict, prefix: str = "") -> list[tuple[str, str]]:
    pairs = []
    for name, value in fields.items():
        if isinstance(value, dict):
            pairs += flat(value, f"{prefix}{name}.")
        else:
            pairs += [(prefix + name, str(item)) for item in (value if isinstance(value, list) else [value])]
    return pairs


def handler(method, rest: str, authority: str):
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    answer_class = message_factory.GetMessageClass(method.output_type)

    def serve(_self, request, call):
        fields = json_format.MessageToDict(request, preserving_proto_field_name=True)
        path = re.sub(r"\{(\w+)\}", lambda found: urllib.parse.quote(fields.pop(found[1]), safe=""), getattr(rule, verb))
        body = fields.pop(rule.body, {}) if rule.body else {}
        if verb in ("post", "put") and not rule.body:
            fields, body = {}, fields
        headers = {name: value for name, value in call.invocation_metadata() if name == "authorization"}
        answer = requests.request(verb, f"{rest}{path}", params=flat(fields), json=body or None, headers=headers, verify=authority, timeout=60)
        if answer.status_code >= 400:
            call.abort(CODES[answer.json()["code"]], answer.json()["message"])
        return json_format.Parse(answer.content, answer_class(), ignore_unknown_fields=True)

    return serve


def main() -> None:
    port, certificate, key, rest, authority = sys.argv[1:]
    server = grpc.server(futures.ThreadPoolExecutor(4))
    for name in NAMES:
        stubs = importlib.import_module(f"custos.server.integration.{name}Service_pb2_grpc")
        descriptor = importlib.import_module(f"custos.server.integration.{name}Service_pb2").DESCRIPTOR.services_by_name[f"{name}Service"]
        ours = {method.name: handler(method, rest, authority) for method in descriptor.methods}
        servicer = type(name, (getattr(stubs, f"{name}ServiceServicer"),), ours)
        getattr(stubs, f"add_{name}ServiceServicer_to_server")(servicer(), server)
    credentials = grpc.ssl_server_credentials([(Path(key).read_bytes(), Path(certificate).read_bytes())])
    assert server.add_secure_port(f"127.0.0.1:{port}", credentials), f"port {port} is taken"
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
