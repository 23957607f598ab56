"""Versions registered by lesionflow 0.1.0 name this module; it lives in `lesionflow.model.pyfunc`."""

from lesionflow.model.pyfunc import BundleModel, _load_pyfunc  # noqa: F401
