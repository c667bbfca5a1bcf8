#pragma once
#include "store/mongo/log_beginning.hpp"

/// What baselines cover, and nobody reads any more. Every removal names what it removes, so any number of instances may
/// do the same, and whatever one leaves undone the next one finishes. Errors: store_unavailable.
namespace pebbles::store::mongo {

/// What a later moment was named for, and that has come: covered chunks go, and keys that are old enough. True when
/// there may be more.
[[nodiscard]] Result<bool> clear_due(const PruneStep& step);

/// Removes a page of what a baseline covers, keys and all. True when nothing is left of it.
[[nodiscard]] Result<bool> remove_covered(const PruneStep& step, const LogBeginning& first);
/// The same of what was stripped to its keys, and stays as long as the tombstone.
[[nodiscard]] Result<bool> remove_stripped(const PruneStep& step, const LogBeginning& first);

}  // namespace pebbles::store::mongo
