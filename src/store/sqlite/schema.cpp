#include "store/sqlite/schema.hpp"

#include <fmt/core.h>

namespace pebbles::store::sqlite {
namespace {

constexpr std::int64_t application_id = 0x50424c31;  // "PBL1"
constexpr std::int64_t schema_version = 2;

/// For locks that the connections of one process hold for moments.
constexpr int busy_ms_max = 2000;

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

void upgrade(const Connection& connection) {
  connection.execute("BEGIN IMMEDIATE");
  connection.execute("ALTER TABLE progress ADD COLUMN born INTEGER NOT NULL DEFAULT 1");
  connection.execute(tables_of_2);
  connection.execute(fmt::format("PRAGMA user_version={}", schema_version));
  connection.execute("COMMIT");
}

void create_tables(const Connection& connection) {
  connection.execute("BEGIN IMMEDIATE");
  connection.execute(tables);
  connection.execute(tables_of_2);
  connection.execute(fmt::format("PRAGMA application_id={}", application_id));
  connection.execute(fmt::format("PRAGMA user_version={}", schema_version));
  connection.execute("COMMIT");
}

}  // namespace

Connection open_writer(const OpenOptions& options) {
  Connection connection{options.path, options.vfs, Access::read_write};
  // A reader that meets a half-written header of the write-ahead log takes the write lock to read it again.
  sqlite3_busy_timeout(connection.get(), busy_ms_max);
  const bool fresh = is_empty(connection) && connection.integer_of("PRAGMA application_id") == 0;
  const bool is_old = !fresh && require_ours(connection) < schema_version;
  if (fresh) {
    connection.execute("PRAGMA page_size=4096");
    connection.execute("PRAGMA auto_vacuum=NONE");  // on by default in Debian's build; costs pointer-map pages
  }
  connection.execute("PRAGMA journal_mode=WAL");
  connection.execute(options.durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
  connection.execute("PRAGMA wal_autocheckpoint=0");          // the writer checkpoints between batches
  connection.execute("PRAGMA journal_size_limit=134217728");  // a reused log is cheaper to sync than a growing one
  connection.execute("PRAGMA secure_delete=OFF");
  connection.execute("PRAGMA cache_size=-65536");  // KiB
  if (fresh) create_tables(connection);
  if (is_old) upgrade(connection);
  return connection;
}

Connection open_reader(const OpenOptions& options) {
  Connection connection{options.path, options.vfs, Access::read_only};
  connection.execute("PRAGMA cache_size=-8192");
  // Waits out the moments in which the writer resets the log; a reader never upgrades to write.
  sqlite3_busy_timeout(connection.get(), busy_ms_max);
  const auto version = require_ours(connection);
  if (version != schema_version)
    throw Failure{SQLITE_NOTADB,
                  fmt::format("schema version {}; start the server once to bring it to {}", version, schema_version)};
  return connection;
}

}  // namespace pebbles::store::sqlite
