#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <unordered_map>
#include <vector>

#include "store/event_store.hpp"
#include "store/mongo/driver.hpp"
#include "store/mongo/shared.hpp"

namespace pebbles::store::mongo {

/// A snapshot's way from what stands in the database to what shall stand there.
struct SnapshotStep {
  SnapshotPtr base;  ///< null when there is none
  SnapshotPtr next;
  bool whole = false;  ///< what stands there is not `base` for sure, or made by other rules: all of it is written
  std::vector<domain::FileId> ended = {};  ///< lives of the stream that are over, of which a document may stand
};

enum class StepsOutcome : std::uint8_t {
  written,
  met_others,  ///< some met something else than their base, and were left
  failed,      ///< how many were written is not known
};

/// The snapshots of one writer's streams, which follow its log (invariant 3). The first of a new file, the one that
/// completes a file, and the tombstone of a deleted one, in the place of its snapshot, are written before the commit is
/// answered, and all those of a commit of few updates. The others are
/// written in rounds, each with all that has come until then, by a thread and a client of their own: no update waits
/// for a round. Rounds take at most a quarter of the time (unless one takes longer than `round_max`). Whoever reads or
/// loads one record reads the chunks behind its snapshot, so only lists show a busy writer's files late: by two rounds.
/// Threads: the lane's.
class SnapshotWriter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// From the beginning of a round to that of the next, at least.
  static constexpr std::chrono::milliseconds round{100};
  /// The same for rounds that take long, at most.
  static constexpr std::chrono::milliseconds round_max{1000};
  /// What is known of a stream counts for so long: `rebuild` may have changed it since.
  static constexpr std::chrono::seconds known_for{1};
  /// States held here, besides the lane's cache. Beyond, the lane writes before it goes on.
  static constexpr std::size_t bytes_max = 32UL << 20U;

  explicit SnapshotWriter(std::shared_ptr<Shared> shared) : shared_{std::move(shared)} {}

  /// A load has found the log at that version, behind that chunk, and the snapshot with that rev.
  struct Seen {
    Version version = 0;
    ChunkRef head;
    std::int64_t rev = 0;
  };
  void loaded(const StreamId& stream, const Seen& seen, Time now) { saw(stream, seen, now); }
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
  /// How many rounds have begun. Each takes all that waits at that moment.
  [[nodiscard]] std::uint64_t rounds_begun() const noexcept { return rounds_begun_; }
  /// The number of the last one that was written whole.
  [[nodiscard]] std::uint64_t round_written() const noexcept { return round_written_; }

  enum class Which : std::uint8_t {
    at_once,  ///< those that must not wait for the round
    due,      ///< begins a round when it is time for one
    all,      ///< and waits until they are written
  };
  /// False when that failed, or the round before has: they wait for the next call.
  bool write(Which which, mongoc_collection_t* progress, mongoc_collection_t* events, Time now);

 private:
  struct Followed {
    Seen place;
    Time seen{};         ///< when that was
    SnapshotPtr base;    ///< what stands in the database, if nobody else has written
    SnapshotPtr newest;  ///< what shall stand there; null when it does
    SnapshotPtr flying;  ///< what is being written, by the round under way say; an older one never replaces a newer
    std::vector<domain::FileId> ended;  ///< see SnapshotStep
    std::size_t ended_flying = 0;       ///< the first so many are being written
    bool at_once = false;
    bool whole = false;
  };
  using Streams = std::vector<StreamId>;
  struct Round {
    StepsOutcome outcome{};
    Time next{};  ///< no round begins before
  };

  Followed& saw(const StreamId& stream, const Seen& place, Time now);
  void mark_at_once(const StreamId& stream, Followed& known);
  [[nodiscard]] Streams take_all();
  [[nodiscard]] std::vector<SnapshotStep> steps_of(const Streams& streams);
  bool begin_round(Time now);
  bool end_round(mongoc_collection_t* progress, mongoc_collection_t* events);
  bool write_now(const Streams& streams, mongoc_collection_t* progress, mongoc_collection_t* events);
  bool conclude(StepsOutcome outcome, const Streams& streams, mongoc_collection_t* progress,
                mongoc_collection_t* events);
  bool write_onto(const Streams& streams, mongoc_collection_t* progress, mongoc_collection_t* events);
  bool fail(const Streams& streams);
  void purge(Time now);

  std::shared_ptr<Shared> shared_;
  std::unordered_map<StreamId, Followed> streams_;
  Streams at_once_;
  std::size_t waiting_ = 0;
  std::size_t bytes_ = 0;  ///< of states waiting, under way or kept as a base, a bound
  Time next_purge_{};
  Streams in_round_;
  std::future<Round> round_;  ///< under way; valid until its end is seen
  Time next_round_{};
  std::uint64_t rounds_begun_ = 0;
  std::uint64_t round_written_ = 0;
};

/// Brings a stream's snapshot to where its log is, if it is behind. What cannot be read or has a gap is logged and left
/// as it is, so that one bad stream holds nobody up (invariant 6). Error: store_unavailable.
Result<void> catch_up(mongoc_collection_t* progress, mongoc_collection_t* events, const StreamId& stream);

}  // namespace pebbles::store::mongo
