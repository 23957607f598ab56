#!/usr/bin/env bash
# Run a command of lesionflow for a scheduler that knows nothing but success and failure:  batch/as-job.sh score ...
#
# 3, "some images could not be read", becomes 0: they have their rows, and to run the command again would change
# nothing. Every other exit code is passed on, and SIGTERM and SIGINT are: a command that is stopped keeps what is done.
# Python is the one on the PATH; PYTHON names another.
set -uo pipefail

stopped='' command=''
trap 'stopped=yes; [[ $command ]] && kill -TERM "$command" 2>/dev/null' TERM INT # first: a signal may come at any moment
"${PYTHON:-python3}" -m lesionflow "$@" <&0 & # without <&0 a shell gives what is in the background no standard input
command=$!
[[ $stopped ]] && kill -TERM "$command" 2>/dev/null
wait "$command"
code=$?
while [[ $stopped ]] && kill -0 "$command" 2>/dev/null; do # a signal has ended the waiting, and not yet the command
  wait "$command"
  code=$?
done
exit $((code == 3 ? 0 : code))
