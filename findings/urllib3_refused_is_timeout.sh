#!/usr/bin/env bash
# urllib3 2: a refused connection is caught by `except TimeoutError` of urllib3's, and counted as a timeout.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv urllib3==2.5.0
cat >"$folder/try.py" <<'P'
import socket, sys, time
import urllib3
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
began = time.monotonic()
try:
    urllib3.PoolManager(retries=False, timeout=60).request("GET", f"http://127.0.0.1:{port}")
except urllib3.exceptions.TimeoutError as error:
    print(f"urllib3 {urllib3.__version__}, nobody listens, timeout 60 s: after {time.monotonic() - began:.2f} s")
    print("expected: a connection error that is no timeout")
    print(f"true: {type(error).__name__}, caught by `except urllib3.exceptions.TimeoutError`: {error}")
    print("its bases:", " > ".join(kind.__name__ for kind in type(error).__mro__[:-3]))
except urllib3.exceptions.HTTPError as error:
    sys.exit(f"changed: {type(error).__name__}")
P
"$folder/venv/bin/python" "$folder/try.py"
