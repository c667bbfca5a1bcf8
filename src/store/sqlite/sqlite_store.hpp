#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/event_store.hpp"
#include "store/progress_reader.hpp"

namespace pebbles::store {

struct SqliteOptions {
  std::string path;
  std::string vfs;          ///< empty: the system's. The crash tests bring one of their own
  bool durable = true;      ///< false only as the control of the crash tests: commits are then not synced
  std::size_t readers = 4;  ///< connections for reading; a further reader waits for one
  /// How far snapshots and indexes may lag behind the log, and so what a start after a crash has to replay.
  std::size_t recent_rows_max = 131'072;
  std::size_t recent_bytes_max = 64UL << 20U;
  std::size_t read_cache_bytes_max = 16UL << 20U;
  std::int64_t checkpoint_pages = 200;  ///< of the write-ahead log, before it is copied into the database
};

/// The embedded store: one SQLite file, one process. docs/adr/0003 says why snapshots are written behind.
class SqliteStore {
 public:
  /// Opens or creates the file, and brings snapshots and indexes up to the log. Errors: store_unavailable (another
  /// process has it open, or the folder cannot be written), store_corrupt (not ours, of a newer version, or damaged;
  /// nothing in it is touched).
  static Result<std::unique_ptr<SqliteStore>> open(SqliteOptions options);
  virtual ~SqliteStore() = default;

  /// The one lane's side; call once. It writes snapshots and indexes out when it is destroyed.
  [[nodiscard]] virtual std::unique_ptr<EventStore> writer() = 0;
  /// Lives as long as the store.
  [[nodiscard]] virtual ProgressReader& reader() = 0;
};

/// Told how far a long run is: streams done, streams in all.
using OnProgress = std::function<void(std::int64_t done, std::int64_t total)>;

struct Difference {
  StreamId stream;
  std::string what;  ///< "version 7: the chunk's hash does not match its bytes", "counts differ", …
};

inline constexpr std::size_t differences_max = 1000;

struct VerifyReport {
  std::int64_t streams = 0;
  std::int64_t chunks = 0;
  std::int64_t events = 0;
  std::int64_t not_yet_written = 0;  ///< streams of a running server whose snapshot still lags behind the log
  std::int64_t differing = 0;
  std::vector<Difference> differences;  ///< the first `differences_max`
};

/// Proves for every stream that its chunks chain up and that its snapshot is the fold of its events. Runs beside a
/// server too, in short read transactions; memory does not grow with the number of streams.
/// Errors: as for `SqliteStore::open`.
[[nodiscard]] Result<VerifyReport> verify_sqlite(const SqliteOptions& options, const OnProgress& on_progress);

struct RebuildReport {
  std::int64_t streams = 0;
  std::int64_t rewritten = 0;  ///< their snapshot was missing or differed
  std::int64_t failed = 0;     ///< their log contradicts itself: left as they were
  std::vector<Difference> failures;
};

/// Derives every snapshot, and the indexes over chunks and keys, from the log again. A rewritten snapshot gets a new
/// `rev`. Errors: as for `SqliteStore::open`; store_unavailable while a server has the file.
[[nodiscard]] Result<RebuildReport> rebuild_sqlite(const SqliteOptions& options, const OnProgress& on_progress);

}  // namespace pebbles::store
