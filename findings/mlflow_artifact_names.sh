#!/usr/bin/env bash
# Artifacts that go to an MLflow server lose what follows # or ? in their names, so that one overwrites another, and %25 becomes %.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow==3.17.2 sqlalchemy==2.1.9
export MLFLOW_DISABLE_TELEMETRY=true
cat >"$folder/try.py" <<'P'
import logging, pathlib, socket, subprocess, sys, time

import mlflow, requests

logging.disable(logging.WARNING)
print("mlflow", mlflow.__version__)
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{free.getsockname()[1]}"
options = ["--backend-store-uri", "sqlite:///store.db", "--artifacts-destination", "artifacts", "--workers", "1", "--port", address.split(":")[2]]
server = subprocess.Popen([sys.executable, "-m", "mlflow", "server", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    for _ in range(300):
        try:
            if requests.get(address + "/health", timeout=5).ok:
                break
        except requests.ConnectionError:
            time.sleep(1)
    mlflow.set_tracking_uri(address)
    names = "lesion #1.txt", "lesion #2.txt", "melanoma?.txt", "50%20off.txt", "lesion 3.txt", "a+b&c.txt"
    pathlib.Path("folder").mkdir()
    with mlflow.start_run() as run:
        for name in names:
            pathlib.Path("folder", name).write_text(name)
            mlflow.log_artifact(f"folder/{name}")  # all without an error or a warning
    back = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path="back"))
    found = {path.name: path.read_text() for path in back.iterdir()}
finally:
    server.terminate()
    server.wait()
print(f"{len(names)} files were logged, {len(found)} came back:")
for name, text in sorted(found.items()):
    print(f"  {name!r}, which holds what was {text!r}")
lost = sorted(set(names) - set(found.values()))
print("gone:", *map(repr, lost))
sys.exit(not (lost == ["lesion #1.txt"] and found.get("lesion ") == "lesion #2.txt" and {"melanoma", "50 off.txt", "lesion 3.txt", "a+b&c.txt"} <= set(found)))
P
echo "expected: each file comes back under its name, as it does from any folder"
cd "$folder"
check
