"""The version of lesionflow: what packaging, reports and bundles state."""

__version__ = "0.1.0"
