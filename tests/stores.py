"""A real S3 server of the tests' own, over HTTP, that can be told to be slow, to fail, or to be gone."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

KEY, SECRET = "AKIATESTKEYOFNOBODY1", "s3cr3t/of+nobody/never/in/any/report0000"


class S3Server:
    """What it stores outlives `stop`: after `start` it is there again, at the same address."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.port = 0
        self.delay = 0.0  # seconds before each answer
        self.broken: set[str] = set()  # paths that are answered by an internal error
        self.requests: list[tuple[str, str]] = []  # method and path, with its query
        self.now = self.most_at_once = 0  # requests that wait
        self.counting = threading.Lock()
        self.buckets = 0
        self.start()

    def start(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
        from werkzeug.serving import make_server

        self.gone = False
        application = DomainDispatcherApplication(create_backend_app)

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
            self.requests.append((environ["REQUEST_METHOD"], f"{path}?{query}" if query else path))
            with self.counting:
                self.now += 1
                self.most_at_once = max(self.most_at_once, self.now)
            time.sleep(self.delay)
            with self.counting:
                self.now -= 1
            if self.gone:  # connections that are still open go with the server
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                return []
            if path in self.broken:
                start_response("500 Internal Server Error", [("Content-Length", "0")])
                return []
            return application(environ, start_response)

        self.server: BaseWSGIServer = make_server(
            "127.0.0.1", self.port, answer, threaded=True, request_handler=MotoRequestHandler
        )
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.gone = True
        self.server.shutdown()
        self.server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "2",  # five by default, with pauses that grow
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
        }

    def bucket(self) -> Bucket:
        """Make an empty bucket."""
        self.buckets += 1
        return Bucket(self, f"bucket-{self.port}-{self.buckets}")


class Bucket:
    def __init__(self, server: S3Server, name: str):
        import boto3

        self.server, self.name = server, name
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{server.port}",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=name)

    def url(self, key: str = "") -> str:
        return f"s3://{self.name}/{key}"

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def get(self, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def listing(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def forbid(self, key: str) -> None:
        """Let nobody read an object."""
        statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject"}
        statement["Resource"] = f"arn:aws:s3:::{self.name}/{key}"
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client.put_bucket_policy(Bucket=self.name, Policy=policy)
