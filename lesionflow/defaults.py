"""What is used where nothing else is given, if more than one room needs it."""

from __future__ import annotations

DEFAULT_NAME = "lesionflow"  # of the registered model, and of the experiment
DEFAULT_MODEL = f"models:/{DEFAULT_NAME}@champion"
