"""What Ray itself says of the cluster file, and lesionflow of the command that goes with it."""

import copy
import json
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.batch.places import BATCH

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")

TEXT = (BATCH / "ray" / "cluster.yaml").read_text()
CLUSTER = yaml.safe_load(TEXT)


def test_ray_knows_every_field_and_what_to_make_of_them() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    jsonschema.validate(CLUSTER, json.loads(schema.read_text()))
    prepared = prepare_config(copy.deepcopy(CLUSTER))
    validate_config(prepared)
    (nodes,) = prepared["available_node_types"].values()
    assert nodes["min_workers"] == nodes["max_workers"] == len(CLUSTER["provider"]["worker_ips"])


def test_the_command_in_it_is_one_that_lesionflow_understands() -> None:
    from lesionflow.cli import main

    (command,) = re.findall(r"ray exec batch/ray/cluster.yaml '(.+)'", TEXT)
    _, launcher, verb, *arguments = shlex.split(command)
    assert launcher == "lesionflow/batch/as-job.sh" and CLUSTER["file_mounts"]["~/lesionflow"] == "."
    with main.commands[verb].make_context(verb, arguments) as context:
        assert context.params["engine"] == "ray" and context.params["ray_address"] == "auto"
