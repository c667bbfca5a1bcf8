#pragma once
#include <set>
#include <utility>

#include "store/mongo/covered_chunks.hpp"
#include "store/pruner.hpp"

namespace pebbles::store::mongo {

/// How far a run is among what was deleted, in the order of the times of that. Many files go at one and the same time.
struct DeletionCursor {
  Timestamp at = Timestamp::min();
  std::set<StreamId> seen = {};  ///< of just that time, and still there

  void pass(Timestamp deleted_at, const StreamId& stream) {
    if (std::exchange(at, deleted_at) != deleted_at) seen.clear();
    seen.insert(stream);
  }
};

/// Ends deleted files: their document, once their log is cut, and in the end what was left for those who deliver late.
/// Threads: one. Lifetime: within its step's. Errors: store_unavailable, store_corrupt.
class Burial {
 public:
  explicit Burial(PruneStep& step) : step_{step} {}

  /// Deleted files whose document still stands: first their log is cut, then that goes.
  [[nodiscard]] Result<Pruned> bury_documents(DeletionCursor& cursor, bool dry_run);

  /// Erases what deleted files contained, whenever they were deleted, as far as nobody has anything of it under way:
  /// `waits` becomes true where somebody has. The step's waits are to be those of that.
  [[nodiscard]] Result<Pruned> erase_contents(DeletionCursor& cursor, bool& waits);

  /// What was left of files that were deleted before `before`.
  [[nodiscard]] Result<Pruned> end_tombstones(DeletionCursor& cursor, Timestamp before, bool dry_run);

 private:
  [[nodiscard]] Result<bool> erase_contents_of(const Snapshot& state, Pruned& out, bool& waits);
  [[nodiscard]] Result<void> end_document(const Snapshot& state) const;
  [[nodiscard]] Result<bool> has_chunk_behind(const LogBeginning& first) const;
  [[nodiscard]] Result<Remains> forget_keys(const LogBeginning& first) const;
  [[nodiscard]] Result<Remains> forget(const LogBeginning& first) const;

  PruneStep& step_;
};

}  // namespace pebbles::store::mongo
