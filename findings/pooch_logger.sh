#!/usr/bin/env bash
# pooch's logger is not the one that logging gives by its name: levels and handlers set by name do nothing.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pooch==1.9.0
cat >"$folder/try.py" <<'P'
import functools, http.server, logging, sys, threading
import pooch

logging.getLogger("pooch").setLevel(logging.CRITICAL)
open(f"{sys.argv[1]}/small.txt", "w").write("content")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *told):
        pass


handler = functools.partial(Quiet, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
pooch.retrieve(f"http://127.0.0.1:{server.server_port}/small.txt", None, "got.txt", f"{sys.argv[1]}/cache")
same = pooch.get_logger() is logging.getLogger("pooch")
print(f"pooch {pooch.__version__}: its logger is logging.getLogger('pooch'): {same}")
sys.exit(same)
P
echo "expected: nothing on stderr, as the logger called pooch tells critical things alone"
"$folder/venv/bin/python" "$folder/try.py" "$folder" 2>"$folder/told" || { echo "changed: it is the same logger"; exit 1; }
echo "true: $(head -n 1 "$folder/told")"
grep -q "Downloading data from" "$folder/told" || { echo changed; exit 1; }
