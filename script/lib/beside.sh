# shellcheck shell=bash
# One piece of work in the background, so that what waits for a network or for servers runs beside what computes.
beside_pid=

# beside COMMAND…: starts it in a process group of its own, and nice: suites that run meanwhile have deadlines.
beside() {
  set -m
  { renice -n 10 "$BASHPID" >/dev/null 2>&1 || true; "$@"; } &
  beside_pid=$!
  set +m
}

# wait_beside: waits for it; its status.
wait_beside() {
  local status=0
  wait "$beside_pid" || status=$?
  beside_pid=
  return "$status"
}

stop_beside() {
  [[ -n $beside_pid ]] || return 0
  if kill -TERM -- "-$beside_pid" 2>/dev/null; then sleep 1; fi
  kill -KILL -- "-$beside_pid" 2>/dev/null || true
  beside_pid=
}
