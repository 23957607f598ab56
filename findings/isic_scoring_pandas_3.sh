#!/usr/bin/env bash
# isic-challenge-scoring's requirements admit pandas 3, with which it cannot score: nothing that pip or importing it says tells so.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install old isic-challenge-scoring==5.6.0 pandas==2.3.3 scikit-learn==1.9.1 numpy==2.3.5
install new isic-challenge-scoring==5.6.0 pandas==3.1.1 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib
import pandas
from isic_challenge_scoring.classification import ClassificationMetric, ClassificationScore

names = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
truth, predictions = pathlib.Path("truth.csv"), pathlib.Path("predictions.csv")
rows = [[f"ISIC_{number:07d}", *(str(float(number % 7 == place)) for place in range(7))] for number in range(14)]
for file, more in (truth, [["score_weight", "validation_weight"], ["1.0", "1.0"]]), (predictions, [[], []]):
    lines = [["image", *names, *more[0]], *([*row, *more[1]] for row in rows)]
    file.write_text("".join(",".join(line) + "\n" for line in lines))
try:
    score = ClassificationScore.from_file(truth, predictions, ClassificationMetric.BALANCED_ACCURACY).overall
except AttributeError as error:
    score = error
print(f"pandas {pandas.__version__}, perfect predictions:", score)
P
echo "expected: packages that pip check accepts together score together"
for name in old new; do
    "$folder/$name/bin/python" -m pip check
    (cd "$folder" && "$name/bin/python" try.py 2>errors) || { cat "$folder/errors"; echo changed; exit 1; }
done | tee "$folder/said"
grep -q "pandas 2.3.3, perfect predictions: 1.0" "$folder/said" || { echo changed; exit 1; }
grep -q "'DataFrame' object has no attribute 'applymap'" "$folder/said" || { echo changed; exit 1; }
