#!/usr/bin/env bash
# tensorboardX multiplies an image by 255 unless it is uint8, and lets it wrap around: in int64, white is black, 255 becomes 1, and 200 becomes 56.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tensorboardX==2.6.5 tensorboard==2.21.0 numpy==2.4.6 pillow==13.0.0
cat >"$folder/try.py" <<'P'
import io, sys, warnings
from importlib.metadata import version
import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter

print("tensorboardX", version("tensorboardX"))
shades = np.array([0, 1, 2, 60, 128, 200, 255])
kinds = "uint8", "int16", "int32", "int64", "uint16", "float32", "bool"
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    with SummaryWriter(sys.argv[1]) as writer:
        for kind in kinds:
            values = shades > 100 if kind == "bool" else (shades / 255 if kind == "float32" else shades)
            writer.add_image(kind, np.broadcast_to(values.astype(kind), (3, 1, 7)), 0)
events = EventAccumulator(sys.argv[1])
events.Reload()
found = {}
print(f"shades: {shades.tolist()}")
for kind in kinds:
    found[kind] = np.asarray(Image.open(io.BytesIO(events.Images(kind)[0].encoded_image_string)))[0, :, 0].tolist()
    print(f"  as {kind}: {found[kind]}")
print(f"warnings: {len(warned)}")
right = shades.tolist()
held = found["uint8"] == right and max(abs(a - b) for a, b in zip(found["float32"], right)) <= 1
held &= all(found[kind][-2:] == [56, 1] for kind in ("int32", "int64")) and not warned
sys.exit(not held)
P
echo "expected: the shades that were given, as floats are 0 to 1 and integers 0 to 255, or an error"
check "$folder/events"
