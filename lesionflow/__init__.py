"""Train, track, register and use classifiers of dermatoscopic images. Research use, not a diagnosis."""

__version__ = "0.1.0"
