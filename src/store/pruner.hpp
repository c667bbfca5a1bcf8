#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "store/event_store.hpp"

namespace pebbles::store {

/// Whose files: one client's, or everybody's but those of some.
struct Clients {
  std::optional<domain::ClientKrn> only = {};
  std::vector<domain::ClientKrn> but = {};
  [[nodiscard]] bool hold(const domain::ClientKrn& client) const;
};

/// The hash of a key that was counted stays for so long when its event goes: SQS keeps messages for 14 days
/// (invariant 15).
inline constexpr std::chrono::days keys_stay{15};

/// The log of a deleted file stays for so long at least: whoever follows the change feed is told of the deletion.
inline constexpr std::chrono::seconds deletions_stay{3600};

/// Where a page of completed files ended.
struct CompletedPosition {
  Timestamp completed_at;
  domain::FileId id{};
};

struct CompletedFile {
  StreamId stream;
  CompletedPosition position;
};

/// What a step of pruning did, or, in a dry run, would do.
struct Pruned {
  std::int64_t logs = 0;                         ///< files whose log was shortened
  std::int64_t events = 0;                       ///< that went
  std::int64_t tombstones = 0;                   ///< of deleted files, of which nothing is left now
  bool more = false;                             ///< the next step may find something
  std::chrono::steady_clock::duration worked{};  ///< how long it took, but for waiting for its turn

  Pruned& operator+=(const Pruned& other);
};

/// The event that stands in the place of all up to `state`.
[[nodiscard]] domain::ProgressEvent baseline_of(const Snapshot& state);

/// Finds what is too old, and takes events out of the log for good. All of it beside running lanes: what a lane holds,
/// or commits meanwhile, stays right. Files themselves are deleted by a command through their lane (`domain::Delete`).
/// Every call is one small step of some milliseconds, so that ingest is not disturbed: `more` says whether another one
/// may follow. Threads: one at a time; calls block. Lifetime: the store's. Errors: store_unavailable, store_corrupt.
/// Every implementation passes tests/contract/pruner_contract.hpp.
class Pruner {
 public:
  virtual ~Pruner() = default;

  /// The store's clock: what is too old is judged by one clock, however many instances there are (invariant 17).
  [[nodiscard]] virtual Result<Timestamp> now() = 0;

  /// Completed files, those completed first first, from behind `after` on; only those complete before `before`.
  [[nodiscard]] virtual Result<std::vector<CompletedFile>> completed(const Clients& clients, Timestamp before,
                                                                     const std::optional<CompletedPosition>& after,
                                                                     std::size_t limit) = 0;

  /// Replaces the events of files that are older than `before`, as far as whole chunks are, by one baseline each. The
  /// newest state, its head and version stay as they are; so do the hashes of keys younger than `keys_stay`.
  [[nodiscard]] virtual Result<Pruned> cut_logs(const Clients& clients, Timestamp before, bool dry_run) = 0;

  /// Replaces the log of files that were deleted over `deletions_stay` ago by what a redelivery is recognised by, and
  /// takes away even that where they were deleted before `tombstones_before` and no new life has begun.
  [[nodiscard]] virtual Result<Pruned> bury(Timestamp tombstones_before, bool dry_run) = 0;

  /// Erases the events of deleted files without waiting for `deletions_stay`. Those who follow the change feed are told
  /// of the deletion all the same, but no more of who did it.
  [[nodiscard]] virtual Result<Pruned> erase_deleted() = 0;
};

}  // namespace pebbles::store
