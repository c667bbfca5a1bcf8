# shellcheck shell=bash
# Running suites: each prints a line and adds to the totals.
. script/lib/totals.sh
running=

# step NAME COMMAND…: a suite of one: the command passes or fails.
step() {
  local name=$1 started=$SECONDS
  shift
  if quietly "${name// /-}" "$@"; then
    counted "$name" 1 0 0 $((SECONDS - started))
  else
    counted "$name" 0 1 0 $((SECONDS - started))
  fi
}

# counted_junit NAME FILE STATUS SECONDS: counts a JUnit file. A runner that failed without a failed case, or that
# ran none, counts as one failure.
counted_junit() {
  local counts
  counts=$(python3 script/lib/junit.py "$2" "$3") || counts="0 1 0"
  # shellcheck disable=SC2086 # three numbers
  counted "$1" $counts "$4"
}

# in_group SECONDS COMMAND…: runs a command in a process group of its own and leaves nothing of that group behind.
in_group() {
  local status=0
  timeout --kill-after=10 "$@" </dev/null &
  running=$!
  wait "$running" || status=$?
  stop_running
  return "$status"
}

stop_running() {
  [[ -n $running ]] || return 0
  if kill -TERM "$running" 2>/dev/null; then sleep 1; fi
  kill -KILL -- "-$running" 2>/dev/null || true
  running=
}
trap stop_running EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# cpp_suites PRESET SECONDS: each executable of C++ tests. One process runs all cases of an executable: with a process
# a case, as ctest does it, starting the sanitizers would take most of the time.
cpp_suites() {
  local preset=$1 limit=$2 executable name started status shards result
  for executable in "build/$preset"/tests/*; do
    [[ -f $executable && -x $executable && $executable != *_bench ]] || continue
    name=${executable##*/}
    started=$SECONDS status=0 shards=1 result=$result_folder/$preset-$name.xml
    rm -f "$result".*
    [[ $name != contract_tests ]] || shards=3  # most of its time it waits for servers
    quietly "$preset-$name" in_group "$limit" bash script/lib/shards.sh "$shards" "$root/$result" \
      "${fixed_addresses[@]}" "$executable" || status=$?
    counted_junit "$preset $name" "$result" "$status" $((SECONDS - started))
  done
}

# python_suites SECONDS FOLDER…: folders of pytest files, six files at a time: most of their time they wait.
python_suites() {
  local limit=$1 started=$SECONDS status=0 result=$result_folder/python.xml
  shift
  rm -f "$result"
  quietly python in_group "$limit" "$python" -m pytest "$@" -q --numprocesses 6 --dist loadfile --no-loadscope-reorder \
    --basetemp "$temporary_folder/python" --junitxml "$result" || status=$?
  counted_junit "$*" "$result" "$status" $((SECONDS - started))
}
