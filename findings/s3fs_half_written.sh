#!/usr/bin/env bash
# s3fs uploads what was written until an exception left the with-block: half a report takes the place of the whole one.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv s3fs==2026.9.0 fsspec==2026.9.0 "moto[server]==5.2.5"
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import s3fs
from moto.server import ThreadedMotoServer

print("s3fs", version("s3fs"), "fsspec", version("fsspec"))
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
host, port = server.get_host_and_port()
store = s3fs.S3FileSystem(endpoint_url=f"http://{host}:{port}", key="key", secret="secret")
store.mkdir("nights")
rows = [b"image,p\n"] + [b"%04d,0.5\n" % index for index in range(1000)]


def write(rows, stops_at=None):
    with store.open("nights/report.csv", "wb") as file:
        for index, row in enumerate(rows):
            if index == stops_at:
                raise RuntimeError("the network card fell out")
            file.write(row)


write(rows)
before = store.cat("nights/report.csv")
try:
    write(rows, stops_at=3)
except RuntimeError as error:
    print("writing stopped:", error)
after = store.cat("nights/report.csv")
print(f"before: {len(before.splitlines())} lines; after: {len(after.splitlines())} lines")
try:
    with store.transaction:
        write(rows[:2], stops_at=1)
except RuntimeError:
    kept = store.cat("nights/report.csv") == after
    print("within store.transaction: what was there", "is kept" if kept else "is gone")
server.stop()
sys.exit(not (len(before.splitlines()) == 1001 and after.splitlines() == [b"image,p", b"0000,0.5", b"0001,0.5"] and kept))
P
echo "expected: an object is replaced as a whole or not at all, as uploads to S3 are: an exception leaves the old report there"
AWS_DEFAULT_REGION=us-east-1 check
