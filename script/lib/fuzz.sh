#!/usr/bin/env bash
# Explores with one target from its corpus: fuzz.sh SECONDS LOGS FINDINGS TARGET. What it says goes to LOGS/fuzz-NAME.log,
# and LOGS/fuzz-NAME.ok is there afterwards if it found nothing.
set -euo pipefail
seconds=$1 logs=$2 findings=$3 target=$4 name=${4##*/}
rm -f "$logs/fuzz-$name.ok"
mkdir -p "build/corpus/$name" "$findings"
seeds=()
[[ ! -d tests/fuzz/corpus/$name ]] || seeds=("tests/fuzz/corpus/$name")
timeout --foreground --kill-after=10 $((seconds + 60)) "$target" "-max_total_time=$seconds" -timeout=10 \
  -rss_limit_mb=2048 "-artifact_prefix=$findings/$name-" "build/corpus/$name" "${seeds[@]}" >"$logs/fuzz-$name.log" 2>&1
touch "$logs/fuzz-$name.ok"
