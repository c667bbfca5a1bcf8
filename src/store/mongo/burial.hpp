#pragma once
#include "store/mongo/log_beginning.hpp"
#include "store/pruner.hpp"

namespace pebbles::store::mongo {

/// Ends deleted files: their document, once their log is cut, and in the end what was left for those who deliver late.
/// Threads: one. Lifetime: within its step's. Errors: store_unavailable, store_corrupt. Cursors are deletion times, and
/// move on.
class Burial {
 public:
  explicit Burial(const PruneStep& step) : step_{step} {}

  /// Deleted files whose document still stands: first their log is cut, then that goes.
  [[nodiscard]] Result<Pruned> bury_documents(Timestamp& cursor, bool dry_run) const;

  /// What was left of files that were deleted before `before`.
  [[nodiscard]] Result<Pruned> end_tombstones(Timestamp& cursor, Timestamp before, bool dry_run) const;

 private:
  [[nodiscard]] Result<void> end_document(const Snapshot& state) const;
  [[nodiscard]] Result<bool> has_chunk_behind(const LogBeginning& first) const;
  [[nodiscard]] Result<bool> forget_keys(const LogBeginning& first) const;
  [[nodiscard]] Result<bool> forget(const LogBeginning& first) const;

  const PruneStep& step_;
};

}  // namespace pebbles::store::mongo
