#pragma once
#include <algorithm>
#include <vector>

#include "store/pruner.hpp"
#include "store/sqlite/recent_streams.hpp"
#include "store/sqlite/rows.hpp"

namespace pebbles::store::sqlite {

/// The seq of the last chunk that is older than `before`, as near as the order of commits is that of times.
[[nodiscard]] std::int64_t last_seq_before(const Connection& connection, Timestamp before);

/// Takes old events out of the log, some at a time. Each call is one transaction of the caller's; streams that have
/// anything in memory still are left for another time. Throws Failure. Threads: the lane's.
class Cutter {
 public:
  Cutter(const Connection& connection, Rows& rows, const RecentStreams& recent);

  /// Goes on behind the chunk `cursor`, and moves it.
  [[nodiscard]] Pruned cut(const Clients& clients, Timestamp before, Timestamp now, std::int64_t& cursor);

  [[nodiscard]] Pruned bury(Timestamp tombstones_before, Timestamp now);

 private:
  /// What one step may do.
  struct Budget {
    std::size_t chunks = 200;
    std::size_t bytes = 1UL << 20U;  ///< of text
    [[nodiscard]] bool is_spent() const { return chunks == 0 || bytes == 0; }
    void spend(std::size_t text_bytes) {
      chunks -= std::min<std::size_t>(chunks, 1);
      bytes -= std::min(bytes, text_bytes);
    }
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

  /// True when nothing is left below the bound.
  [[nodiscard]] bool cut_stream(const Stream& stream, const Bound& bound, Timestamp now, Budget& budget, Pruned& done);
  [[nodiscard]] bool read_beginning(std::int64_t row, const Bound& bound, Budget& budget, Beginning& out);
  void replace(std::int64_t row, const Beginning& beginning);
  void keep_keys(std::int64_t row, const StoredChunk& chunk, Timestamp now);
  [[nodiscard]] bool forget(std::int64_t row, Version version);

  Rows& rows_;
  const RecentStreams& recent_;
  const Connection& connection_;
  Statement candidates_, standing_, chunks_, put_baseline_, erase_event_, erase_chunk_, erase_key_, keep_key_;
  Statement unburied_, buried_, expired_, erase_tombstone_, erase_stream_, erase_kept_of_, erase_kept_;
};

}  // namespace pebbles::store::sqlite
