#pragma once
#include <cstdint>

#include "store/mongo/log_beginning.hpp"

/// What baselines cover, and nobody reads any more. Every removal names what it removes, so any number of instances may
/// do the same, and whatever one leaves undone the next one finishes. Errors: store_unavailable.
namespace pebbles::store::mongo {

/// What a later moment was named for, and that has come: covered chunks go, and keys that are old enough. True when
/// there may be more.
[[nodiscard]] Result<bool> clear_due(PruneStep& step);

/// Takes all texts out of what the baseline of a deleted file covers, in place, so that no version becomes free. Of the
/// deletion, at that version, the chunk keeps the event without who did it: readers of the feed are told of it until
/// the chunk is removed. True when that was all.
[[nodiscard]] Result<bool> erase_covered(const PruneStep& step, const LogBeginning& first, Version deleted);

/// The document of a deletion that is told and nothing else: for a log that has it in its first chunk.
[[nodiscard]] Result<void> keep_deletion(const PruneStep& step, const StoredChunk& whole);

enum class Remains : std::uint8_t {
  gone,
  stay,     ///< for another run
  partial,  ///< the next step goes on
};
/// Removes what a baseline covers, keys and all, while the step lasts.
[[nodiscard]] Result<Remains> remove_covered(const PruneStep& step, const LogBeginning& first);
/// The same of what was stripped to its keys, and stays as long as the tombstone.
[[nodiscard]] Result<Remains> remove_stripped(const PruneStep& step, const LogBeginning& first);

}  // namespace pebbles::store::mongo
