#!/usr/bin/env bash
# Put a finished bundle where `--model pretrained` finds it:  scripts/ship_pretrained.sh BUNDLE
#
# Graph, card, digests of the training part and model card, as training wrote them; only if they pass the tests: complete,
# small enough, measured, with the data's licence on the card, and trained with the options of train_pretrained.sh.
set -euo pipefail

if (($# != 1)) || [[ ! -d $1 ]]; then
  echo "usage: $0 BUNDLE" >&2
  exit 2
fi
bundle="$(realpath "$1")"
cd "$(dirname "$0")/.."
staged="$(mktemp -d)"
trap 'rm -rf "$staged"' EXIT
cp "$bundle"/{model.onnx,card.json,trained_on.npz,README.md} "$staged"
LESIONFLOW_TO_SHIP="$staged" "${PYTHON:-python3}" -m pytest -q tests/model/test_files_shipped.py
mkdir -p lesionflow/pretrained
cp "$staged"/* lesionflow/pretrained
ls -l lesionflow/pretrained
echo "Say in README.md, under 'Without training':"
"${PYTHON:-python3}" - <<'END'
from pathlib import Path

from lesionflow.model.card import read_card
from lesionflow.evaluation.model_card import metrics_told

print(metrics_told(read_card(Path("lesionflow/pretrained"))))
END
