# shellcheck shell=bash
# The packages that each kind of work needs, per distribution, and how to install those that are missing.

packages_debian_12() {
  case $1 in
    build)
      echo g++ cmake ninja-build ccache mold pkg-config libboost1.81-dev libboost-url1.81-dev libsimdjson-dev \
        libfmt-dev libcli11-dev libre2-dev libmimalloc-dev libssl-dev libsqlite3-dev libcurl4-openssl-dev \
        zlib1g-dev libmongoc-dev librdkafka-dev prometheus-cpp-dev libgtest-dev libgmock-dev libbenchmark-dev
      ;;
    test)
      echo python3 python3-venv python3-pip strace distro-info-data curl jq util-linux faketime libcurl4 liblzma5 \
        maven openjdk-17-jre-headless haproxy prometheus slowhttptest systemd binutils \
        "$(unless_there node nodejs)" "$(unless_there npm npm)"
      ;;
    # What builds generated clients, together with node.
    clients) echo "$(unless_there go golang-go)" "$(unless_there javac openjdk-17-jdk-headless)" ;;
    # clang 14, the default here, cannot read libstdc++'s <expected>, <ranges> and <coroutine>; 19 can.
    check) echo clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev python3 util-linux shellcheck ;;
    bench) echo python3 python3-venv python3-pip wrk nginx-light nghttp2-client ;;
    *) fail "no packages are listed for '$1'" ;;
  esac
}

# unless_there COMMAND PACKAGE: the package, where nothing has that command: some come from elsewhere too.
unless_there() { command -v "$1" >/dev/null || echo "$2"; }

# Not tried: the same names but for Boost.
packages_ubuntu_24_04() { packages_debian_12 "$1" | sed 's/1\.81/1.83/g'; }

# ensure_packages KIND…: installs what is missing of build, test, clients, check, bench. Quick when nothing is.
# PEBBLES_PACKAGES=skip trusts that everything is there under other names.
ensure_packages() {
  [[ ${PEBBLES_PACKAGES:-} != skip ]] || return 0
  local distribution kind
  # shellcheck source=/dev/null
  distribution=$(. /etc/os-release 2>/dev/null && echo "${ID:-}_${VERSION_ID:-}") || distribution=unknown
  distribution=${distribution//./_}
  local -a wanted=() missing=()
  if ! declare -F "packages_$distribution" >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "This system's packages are not known here. What Debian 12 calls them:"
    for kind in "$@"; do say "  $(packages_debian_12 "$kind")"; done
    fail "Install what they contain, then run again with PEBBLES_PACKAGES=skip."
  fi
  for kind in "$@"; do
    # shellcheck disable=SC2207 # names without spaces, one list
    wanted+=($("packages_$distribution" "$kind"))
  done
  # shellcheck disable=SC2207
  missing=($(comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) <(installed_packages "${wanted[@]}" | sort -u)))
  ((${#missing[@]})) || return 0
  say "Installing: ${missing[*]}"
  install_packages "${missing[@]}"
}

installed_packages() {
  { dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true; } |
    sed -n 's/^installed //p'
}

install_packages() {
  local -a as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "Installing needs root, and there is no sudo. Install these first: $*"
    sudo -v || fail "Installing needs root. Install these first: $*"
    as_root=(sudo)
  fi
  # The policy keeps services such as nginx from starting by themselves when they are installed.
  # shellcheck disable=SC2016 # expanded by the inner shell
  quietly packages ${as_root[@]+"${as_root[@]}"} bash -c '
    set -eu
    export DEBIAN_FRONTEND=noninteractive
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
      trap "rm -f $policy" EXIT
      printf "#!/bin/sh\nexit 101\n" >"$policy"
      chmod 755 "$policy"
    fi
    apt-get -o DPkg::Lock::Timeout=300 update
    apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"
  ' install "$@"
}
