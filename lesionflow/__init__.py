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

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lesionflow.errors import LesionflowError
    from lesionflow.training.config import TrainingConfig
    from lesionflow.verbs.compare import compare
    from lesionflow.verbs.describe import describe
    from lesionflow.verbs.download import download
    from lesionflow.verbs.evaluate import evaluate
    from lesionflow.verbs.explain import explain
    from lesionflow.verbs.history import history
    from lesionflow.verbs.load import LoadedModel, Prediction, load
    from lesionflow.verbs.merge import merge
    from lesionflow.verbs.promote import promote
    from lesionflow.verbs.register import register
    from lesionflow.verbs.rollback import rollback
    from lesionflow.verbs.score import score
    from lesionflow.verbs.train import resume, train
else:
    _MODULES = {
        "LesionflowError": "errors",
        "LoadedModel": "verbs.load",
        "Prediction": "verbs.load",
        "TrainingConfig": "training.config",
        "resume": "verbs.train",
    }

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'lesionflow' has no attribute {name!r}")
        module = importlib.import_module(f"lesionflow.{_MODULES.get(name, f'verbs.{name}')}")
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
