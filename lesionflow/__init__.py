"""Train, track, register and use classifiers of dermatoscopic images. For research, not a diagnosis.

Every command is a function of the same name: `lesionflow.train(config)`, `lesionflow.score(source, out)`, and so on;
`lesionflow.load(model)` gives a model to ask image by image. Options are a configuration object (`TrainingConfig`,
`ScoringConfig`, ...), keywords, or both, of which the keywords win. Progress goes to `console`, a
`rich.console.Console`, stderr by default. Functions raise a `LesionflowError` where the user has to do something.
Each is imported when it is first used, so that importing lesionflow costs nothing.

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
    from lesionflow.api.compare import Comparison, compare
    from lesionflow.api.describe import describe
    from lesionflow.api.doctor import doctor
    from lesionflow.api.download import Downloaded, download
    from lesionflow.api.evaluate import evaluate
    from lesionflow.api.explain import Explained, explain
    from lesionflow.api.export import Exported, export
    from lesionflow.api.later_truth import ReportComparison, ReportEvaluation, compare_report, evaluate_report
    from lesionflow.api.load import LoadedModel, load
    from lesionflow.api.merge import merge
    from lesionflow.api.monitor import monitor
    from lesionflow.api.move_store import MovedStore, move_store
    from lesionflow.api.promote import history, promote, rollback
    from lesionflow.api.register import Registered, register
    from lesionflow.api.score import score
    from lesionflow.api.train import Trained, resume, train
    from lesionflow.api.web import web
    from lesionflow.datasets.labelled import LabelledImages
    from lesionflow.datasets.split import Split
    from lesionflow.dataverse.config import DownloadConfig
    from lesionflow.diagnoses import LabelSet
    from lesionflow.errors import LesionflowError
    from lesionflow.evaluation.call_strength import CallStrength
    from lesionflow.evaluation.config import EvaluationConfig, ExplanationConfig
    from lesionflow.evaluation.label_mapping import LabelMapping
    from lesionflow.evaluation.later_truth import LaterTruth
    from lesionflow.evaluation.metrics import Difference
    from lesionflow.evaluation.plots import Picture
    from lesionflow.evaluation.result import Evaluation
    from lesionflow.evaluation.shift import ScoreShift, Shift
    from lesionflow.evaluation.slices import Gap, Slice
    from lesionflow.evaluation.stability import Moved, Stability
    from lesionflow.health.check import Check
    from lesionflow.model.card import Calibration, Card, Estimate
    from lesionflow.model.prediction import IndexedPrediction, LabelledPredictions, Prediction, Predictions
    from lesionflow.monitoring.comparison import Distance, Sample
    from lesionflow.monitoring.limits import Limits, MonitorConfig
    from lesionflow.monitoring.nights import Night
    from lesionflow.monitoring.watch import Alarm, NightComparison, Reference, Watch, WatchedNight
    from lesionflow.profile.attributes import Ages, Contradiction
    from lesionflow.profile.copies import Copy
    from lesionflow.profile.description import Colour, Description, Finding
    from lesionflow.registry.champion import Promotion, Rollback
    from lesionflow.registry.compared_model import CommonGround, ComparedModel
    from lesionflow.registry.config import PromotionConfig
    from lesionflow.registry.gates import Gate, Verdict
    from lesionflow.registry.history import ChampionState, Change
    from lesionflow.registry.versions import Version
    from lesionflow.runtimes.config import ExportConfig
    from lesionflow.runtimes.parity import Cost, Parity
    from lesionflow.scoring.config import ReportConfig, ScoringConfig
    from lesionflow.scoring.publish import Summary
    from lesionflow.scoring.summary import Counts
    from lesionflow.training.config import TrainingConfig
    from lesionflow.webapp.build import Page
    from lesionflow.webapp.runtime import WebConfig
else:
    _DEFINED = {  # what each module defines; other names are those of modules of `api`
        "api.compare": "Comparison", "api.download": "Downloaded", "api.explain": "Explained", "api.export": "Exported",
        "api.later_truth": "ReportComparison ReportEvaluation compare_report evaluate_report",
        "api.load": "LoadedModel", "api.move_store": "MovedStore", "api.promote": "history rollback",
        "api.register": "Registered", "api.train": "Trained resume", "datasets.labelled": "LabelledImages",
        "datasets.split": "Split", "dataverse.config": "DownloadConfig", "diagnoses": "LabelSet",
        "errors": "LesionflowError", "evaluation.call_strength": "CallStrength",
        "evaluation.config": "EvaluationConfig ExplanationConfig", "evaluation.label_mapping": "LabelMapping",
        "evaluation.later_truth": "LaterTruth", "evaluation.metrics": "Difference", "evaluation.plots": "Picture",
        "evaluation.result": "Evaluation", "evaluation.shift": "ScoreShift Shift", "evaluation.slices": "Gap Slice",
        "evaluation.stability": "Moved Stability", "health.check": "Check", "model.card": "Calibration Card Estimate",
        "model.prediction": "IndexedPrediction LabelledPredictions Prediction Predictions",
        "monitoring.comparison": "Distance Sample", "monitoring.limits": "Limits MonitorConfig",
        "monitoring.nights": "Night", "monitoring.watch": "Alarm NightComparison Reference Watch WatchedNight",
        "profile.attributes": "Ages Contradiction", "profile.copies": "Copy",
        "profile.description": "Colour Description Finding", "registry.champion": "Promotion Rollback",
        "registry.compared_model": "CommonGround ComparedModel", "registry.config": "PromotionConfig",
        "registry.gates": "Gate Verdict", "registry.history": "ChampionState Change", "registry.versions": "Version",
        "runtimes.config": "ExportConfig", "runtimes.parity": "Cost Parity",
        "scoring.config": "ReportConfig ScoringConfig", "scoring.publish": "Summary", "scoring.summary": "Counts",
        "training.config": "TrainingConfig", "webapp.build": "Page", "webapp.runtime": "WebConfig",
    }  # fmt: skip
    _MODULES = {name: module for module, names in _DEFINED.items() for name in names.split()}

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'lesionflow' has no attribute {name!r}")
        module = importlib.import_module(f"lesionflow.{_MODULES.get(name, f'api.{name}')}")
        return globals().setdefault(name, getattr(module, name))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "Ages", "Alarm", "Calibration", "CallStrength", "Card", "ChampionState", "Change", "Check", "Colour",
    "CommonGround", "ComparedModel", "Comparison", "Contradiction", "Copy", "Cost", "Counts", "Description",
    "Difference", "Distance", "DownloadConfig", "Downloaded", "Estimate", "Evaluation", "EvaluationConfig", "Explained",
    "ExplanationConfig", "ExportConfig", "Exported", "Finding", "Gap", "Gate", "IndexedPrediction", "LabelMapping",
    "LabelSet", "LabelledImages", "LabelledPredictions", "LaterTruth", "LesionflowError", "Limits", "LoadedModel",
    "MonitorConfig", "Moved", "MovedStore", "Night", "NightComparison", "Page", "Parity", "Picture", "Prediction",
    "Predictions", "Promotion", "PromotionConfig", "Reference", "Registered", "ReportComparison", "ReportConfig",
    "ReportEvaluation", "Rollback", "Sample", "ScoreShift", "ScoringConfig", "Shift", "Slice", "Split", "Stability",
    "Summary", "Trained", "TrainingConfig", "Verdict", "Version", "Watch", "WatchedNight", "WebConfig", "compare",
    "compare_report", "describe", "doctor", "download", "evaluate", "evaluate_report", "explain", "export", "history",
    "load", "merge", "monitor", "move_store", "promote", "register", "resume", "rollback", "score", "train", "web",
]  # fmt: skip
