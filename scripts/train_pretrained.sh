#!/usr/bin/env bash
# Train the bundle that ships with lesionflow, `--model pretrained`, again:  scripts/train_pretrained.sh /path/to/HAM10000
#
# Needs the extras `train` and `imagenet`, and pytest; an hour of one CPU core. Python is the one on the PATH; PYTHON names
# another.
set -euo pipefail

# All that the result depends on, whatever the defaults become; a test compares it with the shipped card.
options=(
  --model efficientnet
  --preset full
  --image-size 128
  --epochs 16
  --batch-size 32
  --learning-rate 1e-3
  --weight-decay 0.05
  --balance sqrt
  --loss cross-entropy
  --label-smoothing 0.1
  --mixup 0.2
  --augmentation 1
  --averaging 0.998
  --width 1
  --patience 16
  --precision float32
  --validation-fraction 0.15
  --test-fraction 0.15
  --malignant-sensitivity 0.95
  --refer-share 0.1
  --seed 0
)

if (($# != 1)) || [[ ! -d $1 ]]; then
  echo "usage: $0 /path/to/HAM10000" >&2
  exit 2
fi
data="$(realpath "$1")" here="$(realpath "$(dirname "$0")")"
export PYTHON="${PYTHON:-python3}" PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
# By this name, since the card keeps what --data was, and where it lies on some machine is nobody's business.
ln -s "$data" HAM10000
"$PYTHON" -m lesionflow train --data HAM10000 "${options[@]}" --tracking-uri "sqlite:///$work/mlflow.db"
bundle="$(dirname "$(find "$work/mlruns" -name model.onnx)")"
if ! "$here/ship_pretrained.sh" "$bundle"; then
  trap - EXIT
  echo "$0: the bundle is not shipped; it is kept in $bundle" >&2
  exit 1
fi
