#!/usr/bin/env bash
# OpenCV ignores the largest value that the header of a PGM or PPM file states: an image of 12 bits is black, one of 0 to 100 is dark.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv opencv-python-headless==5.0.0.93 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys
import cv2, numpy as np, PIL
from PIL import Image

print(f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}: a ramp from black to white, its ends and middle")
found, right = {}, {}
for largest in (255, 100, 1023, 4095, 65535):
    ramp = np.linspace(0, largest, 65).round().astype(">u2" if largest > 255 else np.uint8)
    for kind, samples in (("P5", 1), ("P6", 3)):
        for text in (False, True):
            numbers = np.repeat(ramp, samples)
            number = int(kind[1]) - 3 * text
            body = "\n".join(map(str, numbers.tolist())).encode() + b"\n" if text else numbers.tobytes()
            data = f"P{number}\n65 1\n{largest}\n".encode() + body
            read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[0, ::32, 0].tolist()
            other = np.asarray(Image.open(io.BytesIO(data)))[0, ::32].reshape(3, -1)[:, 0]
            other = (other // 257 if other.max() > 255 else other).tolist()
            found[largest, number], right[largest, number] = read, other
            print(f"P{number}, largest value {largest}: OpenCV {read}, Pillow {other}")
same = [max(np.abs(np.subtract(found[place], right[place]))) <= 2 for place in found if place[0] in (255, 65535)]
black = [max(found[4095, number]) for number in (5, 6)]
sys.exit(not (all(same) and max(black) == 15 and found[100, 5][2] == found[100, 6][2] == 100 and min(row[2] for row in right.values()) == 255))
P
echo "expected: the largest value is white, as the formats say, 255 of 8 bits"
check
