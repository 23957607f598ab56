#!/usr/bin/env bash
# pycocotools takes the annotation with id 0 for no annotation: what finds it exactly is a false alarm, and perfect detections have an average precision of 0.64 instead of 1.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pycocotools==2.0.11 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import contextlib, io, sys, warnings
from importlib.metadata import version
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

print("pycocotools", version("pycocotools"))
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for first in 0, 1:
        lesions = [{"id": first + image, "image_id": image, "category_id": 1, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0} for image in range(5)]
        detections = [{"image_id": image, "category_id": 1, "bbox": [10, 10, 50, 50], "score": 0.9 - image / 10} for image in range(5)]
        truth = COCO()
        truth.dataset = {"images": [{"id": image} for image in range(5)], "categories": [{"id": 1, "name": "lesion"}], "annotations": lesions}
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            truth.createIndex()
            judged = COCOeval(truth, truth.loadRes(detections), "bbox")
            judged.evaluate(), judged.accumulate(), judged.summarize()
        precision, recall = judged.stats[0], judged.stats[8]
        found[first] = round(precision, 2), round(recall, 2)
        print(f"five images, a lesion in each, ids from {first}; each is found exactly: average precision {precision:.2f}, recall {recall:.2f}; the word warning is said: {'warning' in said.getvalue().lower()}")
sys.exit(not (found == {0: (0.64, 0.8), 1: (1, 1)} and not warned))
P
echo "expected: an average precision and a recall of 1, whatever number the annotations begin with; images may begin with 0"
check
