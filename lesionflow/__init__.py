"""Train, track, register and use classifiers of dermatoscopic images. Research use, not a diagnosis.

What the command line does, functions of the same names do: `lesionflow.train(TrainingConfig(...))`,
`lesionflow.score(source, out)`, and so on; `lesionflow.load(model)` gives a model to ask image by image. They raise a
`LesionflowError` where the user has to do something. Each is imported when it is first used, so that to import
lesionflow costs nothing.

Example:
    import lesionflow

    model = lesionflow.load("pretrained")
    for said in model.predict(["mole.jpg", "other.png"]):
        print(said.error or (said.diagnosis, said.probability, said.malignant, said.refer))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lesionflow.usage_data import turn_off
from lesionflow.version import __version__ as __version__

turn_off()

if TYPE_CHECKING:
    from lesionflow.api.compare import compare
    from lesionflow.api.describe import describe
    from lesionflow.api.doctor import doctor
    from lesionflow.api.download import download
    from lesionflow.api.evaluate import evaluate
    from lesionflow.api.explain import explain
    from lesionflow.api.history import history
    from lesionflow.api.load import LoadedModel, Prediction, load
    from lesionflow.api.merge import merge
    from lesionflow.api.promote import promote
    from lesionflow.api.register import register
    from lesionflow.api.rollback import rollback
    from lesionflow.api.score import score
    from lesionflow.api.train import resume, train
    from lesionflow.errors import LesionflowError
    from lesionflow.training.config import TrainingConfig
else:
    _MODULES = {
        "LesionflowError": "errors",
        "LoadedModel": "api.load",
        "Prediction": "api.load",
        "TrainingConfig": "training.config",
        "resume": "api.train",
    }

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'lesionflow' has no attribute {name!r}")
        module = importlib.import_module(f"lesionflow.{_MODULES.get(name, f'api.{name}')}")
        return globals().setdefault(name, getattr(module, name))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "LesionflowError",
    "LoadedModel",
    "Prediction",
    "TrainingConfig",
    "compare",
    "describe",
    "doctor",
    "download",
    "evaluate",
    "explain",
    "history",
    "load",
    "merge",
    "promote",
    "register",
    "resume",
    "rollback",
    "score",
    "train",
]
