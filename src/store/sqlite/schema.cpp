#include "store/sqlite/schema.hpp"

#include <fmt/core.h>

#include "store/sqlite/page_cache.hpp"
#include "store/sqlite/wiping_vfs.hpp"

namespace pebbles::store::sqlite {
namespace {

constexpr std::int64_t application_id = 0x50424c31;  // "PBL1"
constexpr std::int64_t schema_version = 2;

// `progress_events` is the log: rows are only ever added, in ascending `seq`, which is also the order of the tail.
// Everything below it follows from the log and lags a little behind it: see recent_streams.hpp.
// What of the log is too old is replaced (writer.hpp, Cutter): that alone changes or removes rows of it.
// `stream_chunks` holds the uniqueness of (stream, first version), `event_keys` that of (stream, key).
constexpr auto tables = R"sql(
CREATE TABLE streams(
  stream INTEGER PRIMARY KEY, client TEXT NOT NULL, filename TEXT NOT NULL, UNIQUE(client, filename));
CREATE TABLE progress_events(
  seq INTEGER PRIMARY KEY, stream INTEGER NOT NULL, first_version INTEGER NOT NULL, n INTEGER NOT NULL,
  format INTEGER NOT NULL, prev_version INTEGER NOT NULL, prev_hash BLOB, hash BLOB NOT NULL,
  writer INTEGER NOT NULL, sequence INTEGER NOT NULL, events TEXT NOT NULL);
CREATE TABLE stream_chunks(
  stream INTEGER NOT NULL, first_version INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(stream, first_version)) WITHOUT ROWID;
CREATE TABLE event_keys(
  stream INTEGER NOT NULL, hash BLOB NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(stream, hash)) WITHOUT ROWID;
CREATE TABLE progress(
  stream INTEGER PRIMARY KEY, client TEXT NOT NULL, filename TEXT NOT NULL, email TEXT NOT NULL, id BLOB NOT NULL,
  done INTEGER NOT NULL, warn INTEGER NOT NULL, failed INTEGER NOT NULL, total INTEGER, is_completed INTEGER NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, completed_at INTEGER,
  error_count INTEGER NOT NULL, warning_count INTEGER NOT NULL,
  version INTEGER NOT NULL, rev INTEGER NOT NULL, fold INTEGER NOT NULL,
  head_version INTEGER NOT NULL, head BLOB NOT NULL, positions TEXT NOT NULL, born INTEGER NOT NULL DEFAULT 1);
CREATE INDEX progress_client_id_idx ON progress(client, id);
CREATE INDEX progress_client_updated_idx ON progress(client, updated_at DESC, id DESC);
CREATE INDEX progress_client_email_updated_idx ON progress(client, email, updated_at DESC, id DESC);
CREATE TABLE progress_items(stream INTEGER PRIMARY KEY, errors TEXT NOT NULL, warnings TEXT NOT NULL);
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('indexed_seq', 0);
)sql";

// `kept_keys` are keys whose events are gone from the log, `tombstones` streams whose file was deleted at `version`;
// the log of a buried one is a baseline.
constexpr auto tables_of_2 = R"sql(
CREATE INDEX progress_completed_idx ON progress(completed_at, id) WHERE completed_at IS NOT NULL;
CREATE TABLE kept_keys(
  stream INTEGER NOT NULL, hash BLOB NOT NULL, version INTEGER NOT NULL, fingerprint BLOB NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY(stream, hash)) WITHOUT ROWID;
CREATE INDEX kept_keys_at_idx ON kept_keys(at);
CREATE TABLE tombstones(
  stream INTEGER PRIMARY KEY, version INTEGER NOT NULL, deleted_at INTEGER NOT NULL, is_buried INTEGER NOT NULL);
CREATE INDEX tombstones_unburied_idx ON tombstones(stream) WHERE is_buried=0;
CREATE INDEX tombstones_deleted_idx ON tombstones(deleted_at);
)sql";

// What files can be found and counted by. `state` has 1 for completed, 2 for errors, 4 for warnings. The counts by
// state change with the rows in the same transaction, whoever writes or deletes those, and only when a state changes.
constexpr auto finding = R"sql(
ALTER TABLE progress ADD COLUMN state INTEGER GENERATED ALWAYS AS (
  (is_completed<>0) + 2*(error_count>0 OR failed>0) + 4*(warning_count>0 OR warn>0)) VIRTUAL;
CREATE INDEX progress_running_idx ON progress(client, updated_at) WHERE is_completed=0;
CREATE TABLE client_states(
  client TEXT NOT NULL, state INTEGER NOT NULL, files INTEGER NOT NULL, PRIMARY KEY(client, state)) WITHOUT ROWID;
INSERT INTO client_states SELECT client, state, count(*) FROM progress GROUP BY client, state;
CREATE TRIGGER progress_added AFTER INSERT ON progress BEGIN
  INSERT INTO client_states VALUES(new.client, new.state, 1) ON CONFLICT DO UPDATE SET files=files+1;
END;
CREATE TRIGGER progress_changed AFTER UPDATE ON progress WHEN old.state<>new.state OR old.client<>new.client BEGIN
  UPDATE client_states SET files=files-1 WHERE client=old.client AND state=old.state;
  INSERT INTO client_states VALUES(new.client, new.state, 1) ON CONFLICT DO UPDATE SET files=files+1;
END;
CREATE TRIGGER progress_removed AFTER DELETE ON progress BEGIN
  UPDATE client_states SET files=files-1 WHERE client=old.client AND state=old.state;
END;
)sql";

bool is_empty(const Connection& connection) { return connection.integer_of("SELECT count(*) FROM sqlite_schema") == 0; }

/// The file's schema: not newer than ours.
std::int64_t require_ours(const Connection& connection) {
  if (connection.integer_of("PRAGMA application_id") != application_id)
    throw Failure{SQLITE_NOTADB, "a database, but not one of Pebbles"};
  const auto version = connection.integer_of("PRAGMA user_version");
  if (version < 1 || version > schema_version)
    throw Failure{SQLITE_NOTADB, fmt::format("schema version {}; this program knows {}", version, schema_version)};
  return version;
}

void set_version(const Connection& connection) {
  connection.execute(fmt::format("PRAGMA user_version={}", schema_version));
}

void create_tables(const Connection& connection) {
  connection.execute("BEGIN IMMEDIATE");
  connection.execute(tables);
  connection.execute(tables_of_2);
  connection.execute(finding);
  connection.execute(fmt::format("PRAGMA application_id={}", application_id));
  set_version(connection);
  connection.execute("COMMIT");
}

void upgrade_tables(const Connection& connection) {
  connection.execute("BEGIN IMMEDIATE");
  connection.execute("ALTER TABLE progress ADD COLUMN born INTEGER NOT NULL DEFAULT 1");
  connection.execute(tables_of_2);
  connection.execute(finding);
  set_version(connection);
  connection.execute("COMMIT");
}

}  // namespace

Connection open_writer(const OpenOptions& options) {
  spare_page_cache_walks();  // before anything that starts SQLite
  Connection connection{options.path, wiping_vfs(options.vfs), Access::read_write};
  // A reader that meets a half-written header of the write-ahead log takes the write lock to read it again.
  sqlite3_busy_timeout(connection.get(), busy_ms_max);
  const bool fresh = is_empty(connection) && connection.integer_of("PRAGMA application_id") == 0;
  const auto version = fresh ? schema_version : require_ours(connection);
  if (fresh) {
    connection.execute(fmt::format("PRAGMA page_size={}", page_bytes));
    connection.execute("PRAGMA auto_vacuum=NONE");  // on by default in Debian's build; costs pointer-map pages
  }
  connection.execute("PRAGMA journal_mode=WAL");
  connection.execute(options.durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
  connection.execute("PRAGMA wal_autocheckpoint=0");          // the writer checkpoints between batches
  connection.execute("PRAGMA journal_size_limit=134217728");  // a reused log is cheaper to sync than a growing one
  connection.execute("PRAGMA secure_delete=ON");   // ADR 23: also in rewrites, whose old texts would stay till then
  connection.execute("PRAGMA cache_size=-49152");  // KiB
  if (fresh) create_tables(connection);
  if (version < schema_version) upgrade_tables(connection);
  return connection;
}

Connection open_reader(const OpenOptions& options) {
  Connection connection{options.path, options.vfs, Access::read_only};
  connection.execute("PRAGMA cache_size=-8192");
  // Waits out the moments in which the writer resets the log; a reader never upgrades to write.
  sqlite3_busy_timeout(connection.get(), busy_ms_max);
  require_ours(connection);
  return connection;
}

}  // namespace pebbles::store::sqlite
