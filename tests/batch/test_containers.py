"""The images and the Kubernetes manifests: what they say is well-formed, and their commands do what they are for."""

from __future__ import annotations

import csv
import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import datetime
from email.parser import Parser
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from cronsim import CronSim
from dockerfile_parse import DockerfileParser

from tests.batch.places import BATCH, ROOT, Places

DOCKERFILES = [BATCH / "docker" / "Dockerfile", BATCH / "ray" / "Dockerfile"]
MANIFESTS = {path.name: yaml.safe_load(path.read_text()) for path in sorted((BATCH / "kubernetes").glob("*.yaml"))}
KUBERNETES = ("1.31", "1.37")  # the first in which a failure policy is no beta, and the last with a schema here

# What KubeRay's reference (ray.io/v1) says of the fields that are used; those of its pods are Kubernetes' own.
GROUP = {
    "rayStartParams": {"type": "object", "additionalProperties": {"type": "string"}},
    "template": {"type": "object"},
}
COUNT = {"type": "integer", "minimum": 0}
WORKERS = GROUP | {"groupName": {"type": "string"}, "replicas": COUNT, "minReplicas": COUNT, "maxReplicas": COUNT}
RAY_JOB = {
    "entrypoint": {"type": "string"},
    "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
    "shutdownAfterJobFinishes": {"type": "boolean"},
    "ttlSecondsAfterFinished": COUNT,
    "backoffLimit": COUNT,
    "activeDeadlineSeconds": COUNT | {"minimum": 1},
    "rayClusterSpec": {
        "type": "object",
        "additionalProperties": False,
        "required": ["headGroupSpec"],
        "properties": {
            "rayVersion": {"type": "string"},
            "headGroupSpec": {"properties": GROUP, "required": list(GROUP), "additionalProperties": False},
            "workerGroupSpecs": {
                "type": "array",
                "items": {"properties": WORKERS, "required": list(WORKERS), "additionalProperties": False},
            },
        },
    },
}


def pods(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    spec = manifest["spec"]
    if manifest["kind"] == "CronJob":
        yield spec["jobTemplate"]["spec"]["template"]["spec"]
    elif manifest["kind"] == "Job":
        yield spec["template"]["spec"]
    else:
        cluster = spec["rayClusterSpec"]
        yield from (group["template"]["spec"] for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]])


PODS = [(name, pod) for name, manifest in MANIFESTS.items() for pod in pods(manifest)]


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_knows_every_field(name: str, version: str) -> None:
    manifest = MANIFESTS[name]
    if manifest["kind"] == "RayJob":
        assert manifest["apiVersion"] == "ray.io/v1"
        jsonschema.validate(manifest["spec"], {"properties": RAY_JOB, "additionalProperties": False})
        for pod in pods(manifest):
            in_one = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": pod}
            kubernetes_validate.validate(in_one, version, strict=True)
    else:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize(("name", "pod"), PODS)
def test_pods_have_no_rights_that_scoring_does_not_need(name: str, pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False and pod["restartPolicy"] == "Never"
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"]} and context["allowPrivilegeEscalation"] is False
        assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]
        for mount in container["volumeMounts"]:
            assert mount.get("readOnly", False) == (mount["name"] == "images")
        for variable in container.get("env", ()):
            if "USERNAME" in variable["name"] or "PASSWORD" in variable["name"]:
                assert "secretKeyRef" in variable["valueFrom"]


def test_jobs_are_tried_again_unless_it_is_of_no_use() -> None:
    night = MANIFESTS["cronjob.yaml"]["spec"]
    assert night["concurrencyPolicy"] == "Forbid"
    assert next(CronSim(night["schedule"], datetime(2026, 12, 31, 12))) == datetime(2027, 1, 1, 2, 15)
    for job in (night["jobTemplate"]["spec"], MANIFESTS["shards-job.yaml"]["spec"]):
        never, elsewhere = job["podFailurePolicy"]["rules"]
        assert never["action"] == "FailJob" and never["onExitCodes"]["values"] == [2]
        assert elsewhere["action"] == "Ignore"
        (container,) = job["template"]["spec"]["containers"]
        assert never["onExitCodes"]["containerName"] == container["name"]
        assert job.get("backoffLimit", job.get("backoffLimitPerIndex")) == 3


def run_container(manifest: str, places: Places, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a manifest's container as Kubernetes would, with folders of this machine in place of its volumes."""
    (pod,) = pods(MANIFESTS[manifest])
    (container,) = pod["containers"]
    launcher = shlex.quote(str(BATCH / "as-job.sh"))
    fixed = {variable["name"]: variable["value"] for variable in container.get("env", ()) if "value" in variable}
    known = fixed | places.environment | environment
    words = []
    for word in [*container["command"], *container.get("args", ())]:
        word = re.sub(r"\$\((\w+)\)", lambda found: known[found[1]], word)  # $(NAME), but not the shell's $((...))
        word = word.replace("/images", str(places.images)).replace("/reports", str(places.reports))
        words.append(word.replace("lesionflow-job", launcher))
    return subprocess.run(words, capture_output=True, text=True, env=known)


def statuses(report: Path) -> list[str]:
    with report.open(newline="") as file:
        return sorted(row["status"] for row in csv.DictReader(file))


def test_the_cron_job_scores(places: Places) -> None:
    done = run_container("cronjob.yaml", places, JOB="lesionflow-29001615")
    assert done.returncode == 0, done.stderr
    assert statuses(places.reports / "lesionflow-29001615.csv") == ["error", *["ok"] * 7]


def test_the_shards_of_the_indexed_job_become_one_report(places: Places) -> None:
    job = MANIFESTS["shards-job.yaml"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert {"name": "SHARDS", "value": str(job["completions"])} in container["env"]
    for index in "01":
        done = run_container("shards-job.yaml", places, SHARDS="2", JOB_COMPLETION_INDEX=index)
        assert done.returncode == 0, done.stderr
    assert not (places.reports / "archive.csv").exists()
    done = run_container("merge-job.yaml", places)
    assert done.returncode == 0, done.stderr
    assert statuses(places.reports / "archive.csv") == ["error", *["ok"] * 7]


def test_the_ray_job_says_what_the_command_understands() -> None:
    from lesionflow.cli import main

    launcher, command, *arguments = shlex.split(MANIFESTS["rayjob.yaml"]["spec"]["entrypoint"])
    assert launcher == "lesionflow-job"
    with main.commands[command].make_context(command, arguments) as context:
        assert context.params["engine"] == "ray" and context.params["resume"]
    told = re.search(r"^ARG RAY=(.+)$", DOCKERFILES[1].read_text(), re.M)
    assert told and MANIFESTS["rayjob.yaml"]["spec"]["rayClusterSpec"]["rayVersion"] == told[1]


def instructions(file: Path, name: str) -> list[str]:
    parser = DockerfileParser(path=str(file.parent), cache_content=True)
    return [each["value"] for each in parser.structure if each["instruction"] == name]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_an_image_is_built_from_what_is_there_and_run_by_somebody_without_rights(file: Path) -> None:
    assert int(instructions(file, "USER")[-1].partition(":")[0]) > 0
    assert all(":" in base.split()[0] and "latest" not in base for base in instructions(file, "FROM"))
    assert all("--no-cache-dir" in step for step in instructions(file, "RUN") if "pip " in step)
    ignored = file.with_name("Dockerfile.dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in ignored if line.startswith("!")]
    for copied in instructions(file, "COPY"):
        if "--from" not in copied:
            for source in [word for word in copied.split() if not word.startswith("--")][:-1]:
                assert (ROOT / source).exists() and any(fnmatch.fnmatch(source, each) for each in allowed)


def test_what_the_image_installs_is_lesionflow_and_what_scoring_needs(tmp_path: Path) -> None:
    copies, (step, _) = instructions(DOCKERFILES[0], "COPY"), instructions(DOCKERFILES[0], "RUN")
    (tmp_path / "source").mkdir()
    for source in [source for copied in copies[:2] for source in copied.split()[:-1]]:
        take = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        take(ROOT / source, tmp_path / "source" / source)
    command = step.replace("pip ", f"{sys.executable} -m pip ").replace("/wheels", str(tmp_path / "wheels"))
    subprocess.run(shlex.split(command), cwd=tmp_path / "source", check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        about = Parser().parsestr(opened.read(metadata).decode())
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"lesionflow"}
    needed = [line for line in about.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert not [line for line in needed if re.match(r"(tensorflow|keras|ray|pyspark|pytest)\b", line)]
    assert json.loads(instructions(DOCKERFILES[0], "ENTRYPOINT")[0]) == ["lesionflow"]
