#!/usr/bin/env bash
# colour-science writes numbers above 1 to files of 8 and 16 bits as they wrap around: a highlight of 1.1 is 24 of 255, almost black, and -0.1 is 230, without a message; 16 bits become 8 by truncation.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv colour-science==0.4.7 imageio==2.38.1 pillow==13.0.0 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, tempfile, warnings
from importlib.metadata import version
from pathlib import Path
import numpy as np
from PIL import Image

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    import colour

    print(*(f"{name} {version(name)}" for name in ("colour-science", "imageio", "pillow")))
    path = Path(tempfile.mkdtemp()) / "skin.png"
    skin = np.array([220, 170, 150]) / 255
    brighter = np.stack([skin, skin * 1.1, skin * 1.3, skin - 0.7])[None]  # as an exposure is raised, and a black level taken off
    colour.write_image(brighter, path, bit_depth="uint8", method="Imageio")
    written = np.array(Image.open(path))[0]
    for name, given, found in zip(("as it is", "10 % brighter", "30 % brighter", "0.7 darker"), brighter[0], written):
        print(f"skin {name}: {(given * 255).round().astype(int).tolist()} is {found.tolist()} in the file")
    depths = {kind: colour.io.convert_bit_depth(np.array([0, 0.5, 1.0, 1.1, -0.1]), kind).tolist() for kind in ("uint8", "uint16")}
    print("convert_bit_depth of 0, 0.5, 1, 1.1 and -0.1:", depths)
    from_16 = colour.io.convert_bit_depth(np.array([0, 128, 257, 400, 65534, 65535], np.uint16), "uint8").tolist()
    print("convert_bit_depth of 0, 128, 257, 400, 65534 and 65535 of 16 bits:", from_16)
print("warnings:", sorted({str(each.message)[:60] for each in said if "bit" in str(each.message).lower() or "overflow" in str(each.message).lower() or "cast" in str(each.message).lower()}) or "none about numbers")
sys.exit(not (written[0].tolist() == [220, 170, 150] and written[2][0] < 60 and written[3].max() > 150 and depths["uint8"][3] < 60 and depths["uint16"][3] < 10000))
P
echo "expected: 255 for what is above 1 and 0 for what is below 0, or an error"
check
