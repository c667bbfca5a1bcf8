# shellcheck shell=bash
# Building a preset, and the Python environment of the tests.
jobs=$(nproc)
python=$root/build/venv/bin/python  # of the tests and benchmarks, see ensure_venv

# ThreadSanitizer needs the addresses that a kernel with strong randomisation does not give; CMake runs the tests'
# binaries while it builds, to list their cases.
fixed_addresses=()
if command -v setarch >/dev/null && setarch --addr-no-randomize true 2>/dev/null; then
  fixed_addresses=(setarch --addr-no-randomize)
fi

# build PRESET [CMAKE OPTION…]: configures when there is a reason to, and builds.
build() {
  local preset=$1 started=$SECONDS
  shift
  if [[ ! -f build/$preset/build.ninja || CMakePresets.json -nt build/$preset/build.ninja ]]; then
    say "Configuring and building $preset (the first time takes minutes)"
    quietly "configure-$preset" cmake --preset "$preset" "$@"
  fi
  quietly "build-$preset" ${fixed_addresses[@]+"${fixed_addresses[@]}"} cmake --build --preset "$preset" -j "$jobs"
  ((SECONDS - started < 5)) || say "Built $preset in $((SECONDS - started)) s"
}

# Makes the Python environment of tests and benchmarks, and makes it anew when its requirements change.
ensure_venv() {
  local stamp
  stamp=$(sha256sum <tests/requirements.txt)
  [[ $(cat build/venv/.stamp 2>/dev/null) == "$stamp" ]] && "$python" -c '' 2>/dev/null && return 0
  say "Making build/venv from tests/requirements.txt"
  rm -rf build/venv
  mkdir -p build
  quietly venv python3 -m venv build/venv
  quietly venv-packages "$python" -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements.txt
  printf '%s\n' "$stamp" >build/venv/.stamp
}
