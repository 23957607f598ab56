#!/usr/bin/env bash
# Train the bundle that ships with lesionflow, `--model pretrained`, again:
#
#   scripts/train_pretrained.sh /path/to/HAM10000 /path/to/isic_extra WORK
#
# HAM10000 at 256 x 192 pixels or more; isic_extra.csv lists images of BCN_20000, ISIC 2017 and MSK with the columns path,
# diagnosis, lesion_id, age, sex, localization and source. WORK keeps the progress: run again, it resumes after the last
# whole epoch. Needs the extras `train` and `imagenet`, and pytest; three hours of one CPU core. Python is the one on the
# PATH; PYTHON names another.
set -euo pipefail

# Everything that the result depends on, in case defaults change; a test compares it with the shipped card.
# What all stages have in common:
common=(
  --model efficientnet
  --preset full
  --batch-size 32
  --weight-decay 0.05
  --small-first 0
  --balance sqrt
  --loss cross-entropy
  --label-smoothing 0.1
  --consistency 0
  --mixup 0.2
  --augmentation 1
  --quality 1
  --averaging 0.999
  --width 1
  --precision float32
  --validation-fraction 0.15
  --test-fraction 0.15
  --malignant-sensitivity 0.95
  --refer-share 0.1
  --folds 0
  --diagnoses ham10000
  --call 0.6
  --seed 0
)
# First, small images of all sources, since many are not larger:
first=(
  --image-size 96
  --epochs 3
  --patience 3
  --learning-rate 1e-3
  --keep best
  --start-from imagenet
  --last-layer refitted
  --mirrored false
)
# Then larger ones, with half of the lesions of the source that has only small images:
second=(
  --image-size 128
  --epochs 12
  --patience 12
  --learning-rate 7e-4
  --keep best
  --start-from first
  --last-layer kept
  --mirrored true
)
# Larger than they will be scored, with the other half:
third=(
  --image-size 184
  --epochs 8
  --patience 8
  --learning-rate 5e-4
  --keep best
  --start-from second
  --last-layer kept
  --mirrored false
)
# At the size that is scored, until the loss no longer falls:
fourth=(
  --image-size 160
  --epochs 18
  --patience 18
  --learning-rate 7e-4
  --keep last
  --start-from third
  --last-layer kept
  --mirrored true
)

if (($# != 3)) || [[ ! -d $1 || ! -f $2/isic_extra.csv ]]; then
  echo "usage: $0 /path/to/HAM10000 /path/to/isic_extra WORK" >&2
  exit 2
fi
here="$(realpath "$(dirname "$0")")" extra="$(realpath "$2")" work="$(realpath -m "$3")"
export PYTHON="${PYTHON:-python3}"
if [[ $PYTHON == */* ]]; then PYTHON="$(realpath -s "$PYTHON")"; fi # the one of an environment is a link to another's
export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
mkdir -p "$work"
# Links with these names, since the card records --data, and the paths of this machine are nobody's business.
ln -sfn "$(realpath "$1")" "$work/HAM10000"
ln -sfn "$extra/images" "$work/images"
cd "$work"
# One lesion in ten of each source, by the last digit of its number, is never trained on: heldout.csv is for a look at
# images from elsewhere, with `lesionflow evaluate`.
tr -d '\r' <"$extra/isic_extra.csv" | awk -F, -v OFS=, '
  NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; for (file in files) print $0, "licence" >file; next }
  { $(NF + 1) = "CC BY-NC 4.0"; digit = substr($column["lesion_id"], length($column["lesion_id"])) }
  digit == 0 { print >"heldout.csv"; next }
  { print >"isic_extra.csv" }
  digit % 2 || $column["source"] == "ISIC 2017" { print >"isic_half.csv" }
  digit % 2 == 0 || $column["source"] == "ISIC 2017" { print >"isic_other_half.csv" }
  BEGIN { files["heldout.csv"]; files["isic_extra.csv"]; files["isic_half.csv"]; files["isic_other_half.csv"] }'

# keep NAME: copy what a stage has registered to WORK/NAME.
keep() {
  "$PYTHON" - "$1" "sqlite:///$work/$1.db" <<'END'
import shutil
import sys
from pathlib import Path

from lesionflow.registry.versions import resolve

found = resolve(f"models:/{sys.argv[1]}/1", Path("."), sys.argv[2])
shutil.copytree(found.folder, f"{sys.argv[1]}.partial", dirs_exist_ok=True)
Path(f"{sys.argv[1]}.partial").rename(sys.argv[1])
END
}

# stage NAME OPTION ...: train in a store of its own, or resume there; leaves the bundle in WORK/NAME.
stage() {
  local name=$1 run=
  shift
  if [[ -f $name/card.json ]]; then return; fi
  if [[ -f $name.log ]]; then
    if keep "$name" 2>/dev/null; then return; fi # stopped after its training, of which nothing is left to resume
    run="$(sed -n 's/^run \([0-9a-f]*\); if.*/\1/p' "$name.log" | tail -n 1)"
  fi
  if [[ -n $run ]]; then
    "$PYTHON" -m lesionflow train --resume "$run" --tracking-uri "sqlite:///$work/$name.db" 2>&1 | tee -a "$name.log"
  else
    "$PYTHON" -m lesionflow train "${common[@]}" "$@" --registered-model "$name" \
      --tracking-uri "sqlite:///$work/$name.db" 2>&1 | tee "$name.log"
  fi
  keep "$name"
}

stage first --data HAM10000 --extra isic_extra.csv "${first[@]}"
stage second --data HAM10000 --extra isic_half.csv "${second[@]}"
stage third --data HAM10000 --extra isic_other_half.csv "${third[@]}"
stage fourth --data HAM10000 --extra isic_half.csv "${fourth[@]}"
if ! "$here/ship_pretrained.sh" fourth; then
  echo "$0: the bundle is not shipped; it is kept in $work/fourth" >&2
  exit 1
fi
