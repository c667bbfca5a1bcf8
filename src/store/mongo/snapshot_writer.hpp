#pragma once
#include <chrono>
#include <cstddef>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "store/event_store.hpp"
#include "store/mongo/driver.hpp"

namespace pebbles::store::mongo {

/// The snapshots of one writer's streams, which follow its log (invariant 3). The first change of a quiet file and the
/// one that completes a file are written before the commit is answered, and all changes of a commit of few updates;
/// else a busy file's snapshot is written once a `round`, with all that has come meanwhile. Whoever reads or loads one
/// record reads the chunks behind it, so only lists show a busy file of a busy writer up to two rounds late. Threads:
/// the lane's.
class SnapshotWriter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds round{100};
  /// What is known of a stream counts for so long: `rebuild` may have changed it since.
  static constexpr std::chrono::seconds known_for{1};
  /// States held here, besides the lane's cache.
  static constexpr std::size_t bytes_max = 32UL << 20U;

  /// A load has found the log at that version, and the snapshot with that rev.
  void loaded(const StreamId& stream, Version version, std::int64_t rev, Time now) { saw(stream, version, rev, now); }
  /// What stands in the database was made by other rules: all of it is written the next time.
  void replace_whole(const StreamId& stream) { streams_[stream].whole = true; }
  /// The append is to what was last seen here, and lately.
  [[nodiscard]] bool is_current(const Append& append, Time now) const;
  /// Others have written: what was seen no longer holds.
  void forget(const StreamId& stream);

  /// A chunk stands: the snapshot has to go from `before` (null when the file is new) to `after`. `of_few`: its commit
  /// had few updates, so nothing waits that would be held up.
  void stored(const SnapshotPtr& before, const SnapshotPtr& after, bool of_few, Time now);
  [[nodiscard]] bool is_waiting() const noexcept { return waiting_ > 0; }

  enum class Which : std::uint8_t {
    at_once,  ///< those that must not wait for the round
    due,      ///< all when the round is over, else none
    all,
  };
  /// Writes them. False when that failed: they wait for the next call.
  bool write(Which which, mongoc_collection_t* progress, mongoc_collection_t* events, Time now);

 private:
  struct Followed {
    Version version = 0;   ///< of the log, as far as seen here
    std::int64_t rev = 0;  ///< of the snapshot
    Time seen{};
    Time written{};
    SnapshotPtr base;    ///< what stands in the database, if nobody else has written
    SnapshotPtr newest;  ///< what shall stand there; null when it does
    bool at_once = false;
    bool whole = false;
  };

  Followed& saw(const StreamId& stream, Version version, std::int64_t rev, Time now);
  void mark_at_once(const StreamId& stream, Followed& known);
  [[nodiscard]] bool write(const std::vector<StreamId>& streams, mongoc_collection_t* progress,
                           mongoc_collection_t* events, Time now);
  [[nodiscard]] bool write_onto(const std::vector<StreamId>& streams, mongoc_collection_t* progress,
                                mongoc_collection_t* events);
  void written(const StreamId& stream, Time now);
  void purge(Time now);

  std::unordered_map<StreamId, Followed> streams_;
  std::vector<StreamId> at_once_;
  std::size_t waiting_ = 0;
  std::size_t bytes_ = 0;  ///< of states waiting or kept as a base, a bound
  Time next_round_{};
  Time next_purge_{};
};

/// Brings a stream's snapshot to where its log is, if it is behind. What cannot be read or has a gap is logged and left
/// as it is, so that one bad stream holds nobody up (invariant 6). Error: store_unavailable.
Result<void> catch_up(mongoc_collection_t* progress, mongoc_collection_t* events, const StreamId& stream);

}  // namespace pebbles::store::mongo
