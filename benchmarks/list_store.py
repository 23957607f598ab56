"""Listing a store of millions of objects: seconds, CPU seconds and memory, against another checkout if one is given.

A server in a process of its own answers as S3 does, after a pause, and makes the keys up as it goes: none is stored.

    python benchmarks/list_store.py [--objects 200000] [--pause 0.05] [--names flat,folders,hexadecimal]
        [--before CHECKOUT]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, quote

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = 1000

LIST = """
import resource, sys, time
sys.path.insert(0, sys.argv[1])
try:
    from lesionflow.storage.location import Url
    from lesionflow.storage.objects import listed
except ImportError:  # of 0.1.0
    from lesionflow.storage.places import Url
    from lesionflow.storage.objects import listed
count, last = 0, ""
next(listed(Url.of("s3://bucket/none")), None)  # what a client costs to make is not measured
before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
for count, last in enumerate(listed(Url.of("s3://bucket/images")), 1):
    pass
seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(count, last, seconds, cpu, (after.ru_maxrss - before.ru_maxrss) / 1024)
"""


class Keys(Sequence[str]):
    """Names of so many images, in order."""

    def __init__(self, names: str, count: int):
        self.names, self.length = names, count

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self.length))]
        if self.names == "folders":  # of 5,000 images
            return f"images/{index // 5000:05}/ISIC_{index % 5000:07}.jpg"
        if self.names == "hexadecimal":
            return f"images/{index * 2**64 // self.length:016x}.jpg"
        return f"images/ISIC_{index:08}.jpg"


def folders_behind(keys: Keys, prefix: str, begin: int, most: int) -> list[str]:
    """The folders right in one, from a key on."""
    found: list[str] = []
    while begin < len(keys) and len(found) < most and "/" in keys[begin][len(prefix) :]:
        found.append(keys[begin][: keys[begin].index("/", len(prefix)) + 1])
        begin = bisect_right(keys, found[-1] + "~")
    return found


def serve(names: str, count: int, pause: float) -> None:
    """Answer requests for lists until the process ends; the port is printed first."""
    import logging
    import time

    from werkzeug.serving import WSGIRequestHandler, make_server

    keys = Keys(names, count)

    def answer(environ, start_response):
        time.sleep(pause)
        asked = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        after, some = asked.get("continuation-token") or asked.get("start-after"), int(asked.get("max-keys", PAGE))
        begin = bisect_right(keys, after) if after else 0
        page: Sequence[str] = []
        prefix = asked["prefix"]
        if prefix.startswith("images"):
            page = folders_behind(keys, prefix, begin, some) if "delimiter" in asked else keys[begin : begin + some]
        entry = "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;0&quot;</ETag>"
        entry += "<Size>50000</Size><StorageClass>STANDARD</StorageClass></Contents>"
        if "delimiter" in asked:
            entry = "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>"
        more = bool(page) and bisect_right(keys, page[-1] + "~" * page[-1].endswith("/")) < count
        token = f"<NextContinuationToken>{quote(page[-1])}</NextContinuationToken>" if more else ""
        body = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>bucket</Name>'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(entry.format(key) for key in page)}"
            "</ListBucketResult>"
        ).encode()
        start_response("200 OK", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    WSGIRequestHandler.protocol_version = "HTTP/1.1"  # connections are kept
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, answer, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=200_000)
    parser.add_argument("--pause", type=float, default=0.05)
    parser.add_argument("--names", default="flat,folders,hexadecimal")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.objects, options.pause)
        return
    for names in options.names.split(","):
        arguments = ["--serve", names, "--objects", str(options.objects), "--pause", str(options.pause)]
        server = subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            measure(names, options, port)
        finally:
            server.terminate()
            server.wait()


def measure(names: str, options: argparse.Namespace, port: int) -> None:
    """List with each checkout, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    keys, first = Keys(names, options.objects), 0.0
    for checkout in filter(None, (options.before, CHECKOUT)):
        done = subprocess.run(
            [sys.executable, "-c", LIST, str(checkout)],
            env=environment, cwd=checkout, check=True, text=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        count, last, *numbers = done.stdout.split()
        assert int(count) == len(keys) and last == f"s3://bucket/{keys[len(keys) - 1]}", done.stdout
        seconds, cpu, mib = map(float, numbers)
        ratio = f", {first / seconds:.1f} times as fast" if first else ""
        first = seconds
        print(
            f"{names}, {options.objects:,} objects, {options.pause} s before a reply, {checkout}: {seconds:.1f} s, "
            f"{cpu:.1f} CPU s, {mib:.0f} MiB more{ratio}",
            flush=True,
        )


if __name__ == "__main__":
    main()
