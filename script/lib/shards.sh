#!/usr/bin/env bash
# Runs an executable of GoogleTest in several processes at once, each its share of the cases: for suites that wait for
# others most of their time. shards.sh COUNT RESULT COMMAND…: results go to RESULT.0, RESULT.1 and so on.
set -uo pipefail
count=$1 result=$2 status=0
shift 2
pids=()
for ((shard = 0; shard < count; ++shard)); do
  GTEST_TOTAL_SHARDS=$count GTEST_SHARD_INDEX=$shard "$@" "--gtest_output=xml:$result.$shard" &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
exit "$status"
