"""Training: the networks and how they are fitted. The only room, with `bundle`, that knows Keras."""

import os

# TensorFlow's start-up notices about drivers and instruction sets drown what a person needs to read.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
