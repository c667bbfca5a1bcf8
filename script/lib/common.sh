# shellcheck shell=bash
# Shared by every script, which sources it first: it goes to the project's root, so that scripts work from any directory.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
log_folder=build/log temporary_folder=
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

# fresh_temporary_folder NAME: whatever this run puts elsewhere than into build/ goes to one folder. It is emptied first:
# what runs that were killed leave would fill the disk by and by. Not before packages are there: apt has another user.
fresh_temporary_folder() {
  local folder
  folder=${TMPDIR:-/tmp}/pebbles-$1-$(cksum <<<"$UID $root" | cut -d ' ' -f 1)
  rm -rf "$folder"
  mkdir -m 700 "$folder"
  export TMPDIR=$folder
  temporary_folder=$folder
}

remove_temporary_folder() { [[ -z $temporary_folder ]] || rm -rf "$temporary_folder"; }

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
