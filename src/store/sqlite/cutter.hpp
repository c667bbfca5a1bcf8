#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "store/pruner.hpp"
#include "store/sqlite/recent_streams.hpp"
#include "store/sqlite/rows.hpp"

namespace pebbles::store::sqlite {

/// When the last event of a chunk was; nothing where it is damaged.
[[nodiscard]] std::optional<Timestamp> end_of_chunk(std::string_view text);

/// The seq of the last chunk that is older than `before`, as near as the order of commits is that of times; a later one
/// where baselines stand so close that nothing between them tells. Looks at some thousand rows at most.
[[nodiscard]] std::int64_t last_seq_before(const Connection& connection, Timestamp before);

/// Takes old events out of the log, a step at a time: each call is one transaction of the caller's, during which nobody
/// commits, so it is to take no longer than a commit does. Streams that have anything in memory still are left for
/// another time. Throws Failure. Threads: the lane's.
class Cutter {
 public:
  /// What was deleted is buried after `deletions_stay`.
  Cutter(const Connection& connection, Rows& rows, const RecentStreams& recent, std::chrono::seconds deletions_stay);

  struct Cut {
    Pruned done;
    std::size_t through = 0;  ///< so many streams; the next one may be cut in part
  };
  /// Of streams, by their rows, in that order.
  [[nodiscard]] Cut cut(std::span<const std::int64_t> rows, Timestamp before, Timestamp now);

  [[nodiscard]] Pruned bury(Timestamp tombstones_before, Timestamp now);

  /// Takes the events of deleted files out of the log whenever they were deleted. The baseline that stands for them has
  /// the place of the deletion and its version in the name: readers of the feed are told of the deletion by it.
  [[nodiscard]] Pruned erase_deleted(Timestamp now);

 private:
  /// What one step may do. Each chunk that is read here has still to be erased.
  struct Budget {
    std::chrono::steady_clock::time_point end = std::chrono::steady_clock::now() + std::chrono::milliseconds{1};
    std::size_t chunks = 0;
    /// Not before there was something to do.
    [[nodiscard]] bool is_spent() const {
      constexpr std::size_t chunks_max = 100;
      return chunks >= chunks_max || (chunks > 0 && std::chrono::steady_clock::now() >= end);
    }
    void spend() { ++chunks; }
  };
  /// How far a stream's log may go.
  struct Bound {
    Timestamp before;
    Version version = 0;  ///< and not beyond this one
  };
  struct Stream {
    std::int64_t row = 0;
    StreamId id;
  };
  /// The chunks that go, and what they come to.
  struct Beginning {
    Snapshot state;
    std::vector<StoredChunk> chunks;
    std::int64_t events = 0;  ///< in them, baselines aside
  };

  /// What of a log below its bound is cut.
  enum class Extent : std::uint8_t {
    whole,
    part,
    none,  ///< it is damaged
  };
  /// Where the baseline goes: the first chunk of the log, or the last one of those that it stands for.
  enum class Place : std::uint8_t { first, last };
  [[nodiscard]] Extent cut_stream(const Stream& stream, const Bound& bound, Timestamp now, Budget& budget, Pruned& done,
                                  Place place = Place::first);
  [[nodiscard]] bool read_beginning(std::int64_t row, const Bound& bound, Budget& budget, Beginning& out);
  void replace(std::int64_t row, const Beginning& beginning, Place place);
  void keep_keys(std::int64_t row, const StoredChunk& chunk, Timestamp now);
  void erase_event(std::int64_t seq);
  [[nodiscard]] bool expire_keys(Timestamp before);
  struct Deletion {
    Stream stream;
    Version version = 0;
    Timestamp at;
  };
  [[nodiscard]] static std::vector<Deletion> read_deletions(Statement::Rows rows);
  /// Of deleted files whose log still stands; false where the step ended before the last one that it found.
  [[nodiscard]] bool cut_deleted(Timestamp deleted_by, Place place, Timestamp now, Budget& budget, Pruned& done);
  [[nodiscard]] bool erase_keys(std::int64_t row, std::int64_t from, Budget& budget);

  Rows& rows_;
  const RecentStreams& recent_;
  const Connection& connection_;
  std::chrono::seconds deletions_stay_;
  std::unordered_set<std::int64_t> damaged_;  ///< streams that are left as they are, for `verify` to name
  std::int64_t graves_passed_ = 0;            ///< the row up to which the next step need not look; 0 begins anew
  Statement standing_, chunks_, put_baseline_, insert_chunk_, erase_event_, note_erased_, erase_chunk_, erase_key_,
      keep_key_;
  Statement unburied_, buried_, expired_, erase_tombstone_, erase_stream_, erase_kept_of_, erase_kept_, hold_kept_;
};

}  // namespace pebbles::store::sqlite
