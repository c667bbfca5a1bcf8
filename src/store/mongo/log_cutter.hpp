#pragma once
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "store/mongo/log_beginning.hpp"
#include "store/pruner.hpp"

namespace pebbles::store::mongo {

/// How far a run over old logs is. It outlives its steps, which need not look again for what the last one left.
struct LogRun {
  struct Log {
    StreamId stream;
    Version up_to = 0;  ///< its snapshot is there
    Version end = 0;    ///< of its newest chunk that was found
  };
  ServerTime cursor = 0;  ///< of the last chunk that was looked at
  std::deque<Log> waiting = {};
  bool is_last = false;  ///< behind the cursor is none that is old
};

/// Puts a baseline in the place of old events: the first chunk of a log is replaced, in place and on the condition of
/// its old hash. What that covers goes later (covered_chunks). Threads: one. Lifetime: within its step's. Errors:
/// store_unavailable, store_corrupt.
class LogCutter {
 public:
  /// Cuts nothing that was written at or after `before`.
  LogCutter(PruneStep& step, ServerTime before);

  [[nodiscard]] Result<Pruned> cut_logs(LogRun& run, const Clients& clients, bool dry_run);

  struct Cutting {
    Version version = 0;       ///< of the baseline that stands there now; 0: none
    std::int64_t events = 0;   ///< that it took the place of
    bool is_complete = false;  ///< no chunk is left that ends at or below the version wanted
  };
  /// Puts a baseline in the place of the chunks that are old enough and end at or below `up_to`, or of as many of them
  /// as a step can fold. Precondition: the stream's snapshot, if it needs one, is at `up_to` or beyond.
  [[nodiscard]] Result<Cutting> cut(const StreamId& stream, Version up_to);

  /// Of each stream that has a log the version of its baseline, 0 where there is none.
  [[nodiscard]] Result<std::unordered_map<StreamId, Version>> versions_of_cuts(std::span<const StreamId> streams) const;

 private:
  [[nodiscard]] Result<Pruned> find_logs(LogRun& run, const Clients& clients) const;
  static Cutting leave(const StreamId& stream, std::string_view fault, Version version);
  [[nodiscard]] Result<std::vector<StoredChunk>> old_chunks(LogRun& run, const Clients& clients) const;
  [[nodiscard]] Result<bool> put_baseline(const LogBeginning& first, const Snapshot& state) const;

  PruneStep& step_;
  const ServerTime old_;
};

}  // namespace pebbles::store::mongo
