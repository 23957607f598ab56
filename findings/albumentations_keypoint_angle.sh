#!/usr/bin/env bash
# AlbumentationsX turns the angle of a keypoint against the picture in Rotate, SafeRotate and Affine, so that an axis turned by 40 degrees is 80 degrees off, without a message; a quarter turn, a flip and oriented boxes are right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv albumentationsx==2.5.1 albucore==0.2.21 torch==2.13.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import albumentations as A, numpy as np

print(*(f"{name} {version(name)}" for name in ("albumentationsx", "albucore", "opencv-python-headless")))
x, y, angle = 150, 110, 30.0  # the centre of a lesion, and the direction of its long axis
rows, columns = np.mgrid[:220, :300]
along = (columns - x) * np.cos(np.deg2rad(angle)) + (rows - y) * np.sin(np.deg2rad(angle))
across = (rows - y) * np.cos(np.deg2rad(angle)) - (columns - x) * np.sin(np.deg2rad(angle))
picture = np.full((220, 300, 3), 220, np.uint8)
picture[(along / 50) ** 2 + (across / 15) ** 2 < 1] = 60


def axis(image):
    """The direction of the dark lesion's long axis, in degrees of 0 to 180, from its second moments."""
    inside = np.argwhere(image[..., 0] < 140)[:, ::-1].astype(float)
    direction = np.linalg.eigh(np.cov(inside.T))[1][:, 1]
    return np.rad2deg(np.arctan2(direction[1], direction[0])) % 180


white = {"fill": 220}
cases = {
    "HorizontalFlip": A.HorizontalFlip(p=1),
    "VerticalFlip": A.VerticalFlip(p=1),
    "Transpose": A.Transpose(p=1),
    "RandomRotate90": A.RandomRotate90(p=1),
    "Affine(scale=0.5)": A.Affine(scale=(0.5, 0.5), p=1, **white),
    "Affine(rotate=40)": A.Affine(rotate=(40, 40), p=1, **white),
    "Rotate(40)": A.Rotate((40, 40), p=1, **white),
    "SafeRotate(40)": A.SafeRotate((40, 40), p=1, **white),
}
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, transform in cases.items():
        compose = A.Compose([transform], seed=3, keypoint_params=A.KeypointParams(coord_format="xya"), bbox_params=A.BboxParams(coord_format="cxcywh", bbox_type="obb"))
        result = compose(image=picture, keypoints=[(x, y, angle)], bboxes=[(x, y, 100, 30, angle)])
        turned, (_, _, answer) = axis(result["image"]), result["keypoints"][0]
        _, _, width, height, box = result["bboxes"][0][:5]
        box += 90 * (width < height)
        off, found[f"box, {name}"] = (float(abs((each - turned + 90) % 180 - 90)) for each in (answer, box))
        found[name] = off
        print(f"{name}: the lesion's axis is at {turned:.0f} degrees, the oriented box says {box % 180:.0f}, the keypoint {answer % 180:.0f}, {off:.0f} off")
print(f"before: the lesion's axis is at {axis(picture):.0f} degrees, the keypoint says {angle:.0f}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
wrong = [name for name, off in found.items() if off > 20]
sys.exit(not (wrong == list(cases)[5:] and all(off < 3 for name, off in found.items() if name not in wrong)))
P
echo "expected: a keypoint's angle turns with the picture, in every transform"
check
