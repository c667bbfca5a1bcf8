#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

/// What is counted of a store. Names are stable; docs/metrics.md lists them. Threads: any.
namespace pebbles::telemetry {

enum class StoreOperation : std::uint8_t {
  load,
  find_keys,
  find_tokens,
  commit,
  maintain,
  by_filename,
  by_id,
  list,
  summary,
  events,
  feed,
  tail,
  ping,
};
/// `failed`: the store said that it could not; of a commit, that some of it was not stored for a fault.
void store_worked(StoreOperation operation, std::chrono::steady_clock::duration took, bool failed);

/// A step of pruning is over: what it took away, and how long it was at work.
void pruned_some(std::int64_t files, std::int64_t events, std::int64_t tombstones,
                 std::chrono::steady_clock::duration worked);

/// A run of pruning has come to its end, or to a fault.
void prune_ended(bool good, std::chrono::steady_clock::duration took);

/// So much was added to the log.
void log_grew(std::size_t events, std::size_t bytes);

}  // namespace pebbles::telemetry
