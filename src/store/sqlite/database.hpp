#pragma once
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "store/pruner.hpp"
#include "store/refusal.hpp"
#include "store/sqlite/lane_jobs.hpp"
#include "store/sqlite/recent_streams.hpp"
#include "store/sqlite/rows.hpp"
#include "store/sqlite/schema.hpp"
#include "store/sqlite/snapshot_cache.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "store/sqlite/stored_cursor_key.hpp"

namespace pebbles::store::sqlite {

/// Holds `<path>-lock` for its life, so that no second server, and no rebuild, opens the file. A lock file of its own,
/// because closing any descriptor of the database file would drop SQLite's own locks on it.
class FileLock {
 public:
  /// Errors: store_unavailable when another process holds it, or it cannot be made.
  static Result<FileLock> take(const std::string& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_{descriptor} {}
  int descriptor_;
};

/// Lets readers in freely, and the writer alone when it asks: no reader that comes later overtakes it.
class Gate {
 public:
  [[nodiscard]] std::shared_lock<std::shared_mutex> enter() {
    const std::lock_guard turn{turnstile_};
    return std::shared_lock{inside_};
  }
  [[nodiscard]] std::unique_lock<std::shared_mutex> enter_alone() {
    const std::lock_guard turn{turnstile_};
    return std::unique_lock{inside_};
  }

 private:
  std::mutex turnstile_;
  std::shared_mutex inside_;
};

/// What the writer and the readers of one open file share.
struct Shared {
  explicit Shared(SqliteOptions o) : options{std::move(o)}, cache{options.read_cache_bytes_max} {}

  [[nodiscard]] OpenOptions open_options() const {
    return {.path = options.path, .vfs = options.vfs, .durable = options.durable};
  }

  SqliteOptions options;
  std::atomic<std::size_t> readers_in_use{0};
  std::atomic<std::size_t> readers_waiting{0};
  RecentStreams recent;
  SnapshotCache cache;  ///< asked after `recent`
  StoredCursorKey cursor_key;
  LaneJobs jobs;
  Refusal refusal;
  Gate gate;  ///< readers are inside for the length of a call; the writer when the log has to be reset
};

/// Opens the file and replays what the log holds beyond the tables. Throws Failure.
[[nodiscard]] std::unique_ptr<EventStore> make_writer(std::shared_ptr<Shared> shared);

[[nodiscard]] std::unique_ptr<ProgressReader> make_reader(std::shared_ptr<Shared> shared);

/// Its steps run on the lane's thread, on the writer's connection. Throws Failure.
[[nodiscard]] std::unique_ptr<Pruner> make_pruner(std::shared_ptr<Shared> shared);

}  // namespace pebbles::store::sqlite
