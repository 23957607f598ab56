#!/usr/bin/env bash
# Image processors of transformers divide by 255 whatever they are given: a picture of floats from 0 to 1, as torchvision makes it, is black, and of 16 bits 257 times too bright, without a message, although its own function tells a scaled picture.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv transformers==5.24.0 torch==2.14.1 torchvision==0.29.1 numpy==2.4.6 pillow==13.0.0
cat >"$folder/try.py" <<'P'
import contextlib, io, logging, sys, warnings
from importlib.metadata import version
import numpy as np
from torchvision.transforms.functional import to_tensor
from transformers import ViTImageProcessor
from transformers.image_utils import is_scaled_image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

print(*(f"{name} {version(name)}" for name in ("transformers", "torchvision", "torch")))
image = np.full((300, 300, 3), (220, 170, 150), np.uint8)  # skin
image[100:200, 100:200] = 90, 50, 40  # a lesion
images = {"uint8": image, "float32 of 0 to 255": image.astype(np.float32), "float32 of 0 to 1": (image / 255).astype(np.float32), "torchvision's to_tensor": to_tensor(image), "uint16": image.astype(np.uint16) * 257}
found, log = {}, io.StringIO()
logging.getLogger("transformers").addHandler(logging.StreamHandler(log))
with warnings.catch_warnings(record=True) as said, contextlib.redirect_stderr(log):
    warnings.simplefilter("always")
    for make in (ViTImageProcessor, ViTImageProcessorPil):
        for name, picture in images.items():
            try:
                pixels = np.asarray(make()(picture, return_tensors="np")["pixel_values"])[0]
            except ValueError as error:
                print(f"{make.__name__}, {name}: {type(error).__name__}: {str(error)[:70]}")
                continue
            levels = (pixels * 0.5 + 0.5) * 255  # its mean and standard deviation are 0.5
            found[make.__name__, name] = float(levels[0, 5, 5]), float(levels[0, 112, 112])
            print(f"{make.__name__}, {name}: red of skin {levels[0, 5, 5]:.4g}, of the lesion {levels[0, 112, 112]:.4g}, a range of {np.ptp(pixels):.3g} for the network")
print("is_scaled_image of floats of 0 to 1:", is_scaled_image(images["float32 of 0 to 1"]), "- of uint8:", is_scaled_image(image))
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none", "- log:", log.getvalue().strip()[:200] or "none")
quick, slow = "ViTImageProcessor", "ViTImageProcessorPil"
black = [found[maker, name] for maker in (quick, slow) for name in ("float32 of 0 to 1", "torchvision's to_tensor")]
sys.exit(not (np.allclose(found[quick, "uint8"], (220, 90), atol=0.01) and max(map(max, black)) < 2 and found[quick, "uint16"][0] > 50000 and (slow, "uint16") not in found and "scaled" not in log.getvalue()))
P
echo "expected: red of 220 and 90 for all, or a message"
check
