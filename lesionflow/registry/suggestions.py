"""What a name that the registry does not hold was probably meant to be: ends of messages."""

from __future__ import annotations

import contextlib

from lesionflow.errors import did_you_mean

_LOOKED_AT = 200  # registered models


def suggest_model(name: str, alias: str | None = None) -> str:
    """`; did you mean 'lesionflow'?`, or the same of one of a model's aliases; nothing where that is no help."""
    import mlflow

    with contextlib.suppress(Exception):  # it is part of a message about something else that went wrong
        client = mlflow.MlflowClient()
        models = {model.name: model for model in client.search_registered_models(max_results=_LOOKED_AT)}
        if name not in models:
            return did_you_mean(name, models)
        if alias is not None:
            return did_you_mean(alias, models[name].aliases)
    return ""
