"""What Keras and ONNX Runtime see, asked in processes of their own: a broken installation must not end this one."""

from __future__ import annotations

import importlib.util
import time
from typing import Any

from lesionflow.errors import UsageError
from lesionflow.health.check import OK, PROBLEM, Check, UnansweredError, asked_elsewhere
from lesionflow.training.backend import prepare_backend

SECONDS = 90  # importing TensorFlow for the first time, on a slow disk


def check_keras() -> list[Check]:
    """The backend that Keras trains on, and its devices."""
    if importlib.util.find_spec("keras") is None:
        return [Check("Keras", "not installed; to train: pip install 'lesionflow[train]'", OK)]
    try:
        prepare_backend()
        seen = asked_elsewhere("lesionflow.training.devices:devices_seen", seconds=SECONDS)
    except UsageError as told:
        return [Check("Keras", "no backend", PROBLEM, str(told))]
    except UnansweredError as told:
        advice = "scoring does not need it; to train, reinstall: pip install --force-reinstall 'lesionflow[train]'"
        if "temporary directory" in str(told):
            advice = "name a writable folder in TMPDIR"
        return [Check("Keras", f"broken: {told}", PROBLEM, advice)]
    memory = f", {seen['memory'] / 1e9:.1f} GB of memory" if seen["memory"] else ""
    found = f"{seen['backend']} backend, {', '.join(seen['devices']) or 'no devices'}{memory}; preset {seen['preset']}"
    return [Check("Keras", found)]


def check_onnxruntime() -> list[Check]:
    """ONNX Runtime's providers, and whether the bundle that ships with lesionflow gives an answer."""
    try:
        seen = asked_elsewhere("lesionflow.health.devices:onnxruntime_seen", seconds=SECONDS)
    except UnansweredError as told:
        advice = "nothing can be scored; reinstall: pip install --force-reinstall onnxruntime"
        return [Check("ONNX Runtime", f"broken: {told}", PROBLEM, advice)]
    checks = [Check("ONNX Runtime", f"{', '.join(seen['providers'])}; --device auto is {seen['device']}")]
    if seen["failed"]:
        return [*checks, Check("pretrained", seen["failed"], PROBLEM, "reinstall lesionflow, or score another model")]
    if seen["seconds"] is None:
        return [*checks, Check("pretrained", "not in this installation; train a model, or install a release")]
    found = (
        f"answers; the network alone takes {1000 * seen['seconds']:.0f} ms an image on {seen['device']}, one at a time"
    )
    return [*checks, Check("pretrained", found)]


def onnxruntime_seen() -> dict[str, Any]:
    """What ONNX Runtime sees, and how the bundle that ships runs on it."""
    import numpy as np
    import onnxruntime

    from lesionflow.errors import LesionflowError
    from lesionflow.model.predictor import choose_device, load_predictor
    from lesionflow.model.shipped import is_shipped, pretrained_folder

    device, seconds, failed = choose_device("auto"), None, ""
    if is_shipped():
        try:
            predictor = load_predictor(pretrained_folder(), device="auto")
            image = np.zeros((1, predictor.card.height, predictor.card.width, 3), np.uint8)
            predictor.predict(image)  # the first call takes many times longer than those after it
            began = time.perf_counter()
            for _ in range(3):
                predictor.predict(image)
            device, seconds = predictor.device, (time.perf_counter() - began) / 3
        except LesionflowError as error:
            failed = str(error)
    providers = onnxruntime.get_available_providers()
    return {"providers": providers, "device": device, "seconds": seconds, "failed": failed}
