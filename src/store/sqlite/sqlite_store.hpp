#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "store/maintenance.hpp"
#include "store/pruner.hpp"
#include "store/store.hpp"

namespace pebbles::store {

struct SqliteOptions {
  std::string path;
  std::string vfs;          ///< empty: the system's. The crash tests bring one of their own
  bool durable = true;      ///< false only as the control of the crash tests: commits are then not synced
  std::size_t readers = 4;  ///< connections for reading; a further reader waits for one
  /// How far snapshots and indexes may lag behind the log, and so what a start after a crash has to replay.
  std::size_t recent_rows_max = 131'072;
  std::size_t recent_bytes_max = 48UL << 20U;
  std::size_t read_cache_bytes_max = 16UL << 20U;
  std::chrono::seconds deletions_stay = store::deletions_stay;  ///< other values are for tests
  std::int64_t checkpoint_pages = 200;  ///< of the write-ahead log, before it is copied into the database
};

/// The embedded store: one SQLite file, one process. docs/adr/0003 says why snapshots are written behind.
class SqliteStore : public Store {
 public:
  /// Opens or creates the file, and brings snapshots and indexes up to the log. Errors: store_unavailable (another
  /// process has it open, or the folder cannot be written), store_corrupt (not ours, of a newer version, or damaged;
  /// nothing in it is touched). It serves one lane; that lane's side writes snapshots and indexes out when it is
  /// destroyed.
  static Result<std::unique_ptr<SqliteStore>> open(SqliteOptions options);
};

/// Proves for every stream that its chunks chain up and that its snapshot is the fold of its events. Runs beside a
/// server too, in short read transactions; memory does not grow with the number of streams.
/// Errors: as for `SqliteStore::open`.
[[nodiscard]] Result<VerifyReport> verify_sqlite(const SqliteOptions& options, const VerifyOptions& how);

/// Derives every snapshot, and the indexes over chunks and keys, from the log again. A rewritten snapshot gets a new
/// `rev`. Errors: as for `SqliteStore::open`; store_unavailable while a server has the file.
[[nodiscard]] Result<RebuildReport> rebuild_sqlite(const SqliteOptions& options, const OnProgress& on_progress);

/// Copies the store, as it is at one moment, into a new file `to`, which is there once it is whole and synced; gives
/// its bytes. Runs beside a server: while it does, the server's write-ahead log grows. Errors: not_found;
/// invalid_argument when `to` is there; otherwise as for `SqliteStore::open`.
[[nodiscard]] Result<std::uintmax_t> backup_sqlite(const SqliteOptions& options, const std::string& to);

/// Writes the file again with nothing in it but its rows, which makes it as small as it can be; gives its bytes. Needs
/// as much room beside it and in the folder for temporary files ($SQLITE_TMPDIR, else $TMPDIR). Errors: as for
/// `SqliteStore::open`; store_unavailable while a server has the file.
[[nodiscard]] Result<std::uintmax_t> compact_sqlite(const SqliteOptions& options);

}  // namespace pebbles::store
