"""Training: the networks and how they are fitted. The only room, with `bundle`, that knows Keras."""

import os

# TensorFlow's start-up notices about drivers and instruction sets drown what a person needs to read.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow uses oneDNN by itself on some processors only; on the others too it makes a training step 1.2 to 1.5 times
# as fast (benchmarks/train_throughput.py shows the rate; set it to 0 to compare).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
