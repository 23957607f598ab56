"""Write the typed keywords of `lesionflow/api/overrides.py` from the configuration objects.

Run it after adding an option: `python scripts/typed_keywords.py`. A test compares the two.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from lesionflow.dataverse.config import DownloadConfig
from lesionflow.evaluation.config import EvaluationConfig, ExplanationConfig
from lesionflow.monitoring.limits import MonitorConfig
from lesionflow.registry.config import PromotionConfig
from lesionflow.runtimes.config import ExportConfig
from lesionflow.scoring.config import ReportConfig, ScoringConfig
from lesionflow.training.config import TrainingConfig
from lesionflow.webapp.runtime import WebConfig

FILE = Path(__file__).parents[1] / "lesionflow" / "api" / "overrides.py"
KINDS = (
    TrainingConfig, ReportConfig, ScoringConfig, EvaluationConfig, ExplanationConfig, PromotionConfig, DownloadConfig,
    MonitorConfig,
    WebConfig,
    ExportConfig,
)  # fmt: skip


def keywords(kind: type) -> str:
    """The `TypedDict` of a configuration object; one derived from another has only what is its own."""
    base = next((other for other in KINDS if other is not kind and issubclass(kind, other)), None)
    inherited = {field.name for field in dataclasses.fields(base)} if base else set()
    lines = [
        f"class {kind.__name__.replace('Config', 'Options')}"
        f"({base.__name__.replace('Config', 'Options') if base else 'TypedDict'}, total=False):",
        f'    """Fields of `{kind.__name__}`."""',
        "",
    ]
    for field in dataclasses.fields(kind):
        if field.name not in inherited:
            none = " | None" if field.default is None and "None" not in str(field.type) else ""
            lines.append(f"    {field.name}: {field.type}{none}")
    return "\n".join(lines) + "\n\n\n"


def written(text: str) -> str:
    """The module with its classes as the configuration objects have it."""
    first, last = text.index("class "), text.index("def configured(")
    return text[:first] + "".join(keywords(kind) for kind in KINDS) + text[last:]


if __name__ == "__main__":
    FILE.write_text(written(FILE.read_text()))
