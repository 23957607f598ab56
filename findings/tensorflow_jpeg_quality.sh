#!/usr/bin/env bash
# TensorFlow decodes JPEG by a fast transform, which is the farther off the better the file's quality is.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tensorflow==2.21.0 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys
import numpy as np, PIL, tensorflow as tf
from PIL import Image

random = np.random.default_rng(0)
across, down = np.meshgrid(np.linspace(-1, 1, 256), np.linspace(-1, 1, 256))
lesion = (across**2 + down**2 < 0.4)[..., None]
skin = np.where(lesion, (90, 50, 40), (205, 160, 135)) + random.normal(0, 8, (256, 256, 3))
image = Image.fromarray(skin.clip(0, 255).astype(np.uint8))
print(f"TensorFlow {tf.__version__}, Pillow {PIL.__version__}")
most, accurate = {}, {}
for quality in (75, 90, 95, 98, 100):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=0)
    pixels = np.asarray(Image.open(file), np.int16)
    off = np.abs(tf.io.decode_jpeg(file.getvalue()).numpy() - pixels)
    accurate[quality] = np.abs(tf.io.decode_jpeg(file.getvalue(), dct_method="INTEGER_ACCURATE").numpy() - pixels).max()
    most[quality] = off.max()
    lost, fast = (np.abs(found - np.asarray(image, np.int16)).mean() for found in (pixels, tf.io.decode_jpeg(file.getvalue()).numpy()))
    print(f"quality {quality:3}: {off.mean():.2f} levels from Pillow, at most {off.max():2}; from what was saved {fast:.2f}, Pillow {lost:.2f}")
print("with dct_method='INTEGER_ACCURATE', at each quality at most", max(accurate.values()))
sys.exit(not (max(accurate.values()) <= 1 and most[75] <= 8 and most[98] > most[75] and most[98] >= 10))
P
echo "expected: the better the quality of a file, the closer are the pixels, whoever decodes it"
TF_CPP_MIN_LOG_LEVEL=3 check
