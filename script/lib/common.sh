# shellcheck shell=bash
# Shared by every script, which sources it first: it goes to the project's root, so that scripts work from any directory.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
log_folder=build/log
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

# quietly NAME COMMAND…: the command's output goes to build/log/NAME.log; its end is shown only on failure.
quietly() {
  local name=$1 log=$log_folder/$1.log
  shift
  mkdir -p "$log_folder"
  if "$@" >"$log" 2>&1 </dev/null; then return 0; else local status=$?; fi
  tail -n 80 "$log" >&2
  say "failed: $name (exit $status; all of it in $log)"
  return "$status"
}
