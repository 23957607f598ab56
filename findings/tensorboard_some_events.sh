#!/usr/bin/env bash
# TensorBoard's EventAccumulator returns 10,000 of 20,000 logged values and 4 of 10 images, chosen at random, unless told to return all.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tensorboard==2.21.0 tensorboardX==2.6.5 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter

print("tensorboard", version("tensorboard"), "tensorboardX", version("tensorboardX"))
random = np.random.default_rng(0)
losses = 1 + random.random(20_000)
with SummaryWriter(sys.argv[1]) as writer:
    for step, loss in enumerate(losses):
        writer.add_scalar("loss", loss, step)
    for step in range(10):
        writer.add_image("heatmap", np.zeros((3, 8, 8), np.uint8), step)
found = {}
for name, options in (("default", {}), ("size_guidance of 0", {"size_guidance": {"scalars": 0, "images": 0}})):
    events = EventAccumulator(sys.argv[1], **options)
    events.Reload()
    scalars, images = events.Scalars("loss"), [image.step for image in events.Images("heatmap")]
    best = set(np.argsort(losses)[:100]) & {scalar.step for scalar in scalars}
    found[name] = len(scalars), len(images), len(best)
    print(f"{name}: {len(scalars)} of 20000 values, steps {[scalar.step for scalar in scalars[:4]]}...{scalars[-1].step}; {len(best)} of the 100 smallest; images of steps {images}")
held = found["default"][:2] == (10_000, 4) and 20 < found["default"][2] < 80 and found["size_guidance of 0"] == (20_000, 10, 100)
sys.exit(not held)
P
echo "expected: what was logged; the web page may show fewer points"
check "$folder/events"
