#!/usr/bin/env bash
# Score a folder of images as a job:  batch/score.sh IMAGES REPORT.csv [further options of `lesionflow score`]
#
# One job a report: a second one that starts while the first still runs ends with 75 (try again later). Otherwise the
# exit code is that of `lesionflow score`: 0 all scored, 3 some images could not be read, 1 failed, 2 wrong usage.
# A report in an object store has no lock: it is for the scheduler to start one job at a time for it.
# Python is the one on the PATH; PYTHON names another.
set -euo pipefail

if (($# < 2)); then
  echo "usage: $0 IMAGES REPORT.csv [options of lesionflow score]" >&2
  exit 2
fi
images=$1 report=$2
shift 2

if [[ $report == *://* && $report != file://* ]]; then
  exec "${PYTHON:-python3}" -m lesionflow score "$images" --out "$report" "$@"
fi
lock=$report.lock
if [[ $report == file://* ]]; then # whose escapes stand for other signs
  lock=${lock#file://} lock=${lock#localhost} lock=${lock//\\/\\\\}
  printf -v lock %b "${lock//%/\\x}"
fi
if ! { exec 9>"$lock"; } 2>/dev/null; then
  echo "$0: $lock cannot be written; the report's folder has to exist and be writable" >&2
  exit 1
fi
if ! flock --nonblock 9; then
  echo "$0: another job is writing $report" >&2
  exit 75
fi
# The lock file stays: were it removed, a job that had it open already and one that makes it anew could both hold it.
"${PYTHON:-python3}" -m lesionflow score "$images" --out "$report" "$@"
