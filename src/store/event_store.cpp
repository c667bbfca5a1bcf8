#include "store/event_store.hpp"

namespace pebbles::store {
std::size_t bytes_of(const Snapshot& snapshot) {
  constexpr std::size_t fixed = 512;  // the struct itself, its control block, an index entry
  const auto& progress = snapshot.progress;
  return fixed + snapshot.stream.client->size() + snapshot.stream.filename->size() + progress.owner->size() +
         progress.errors.first.bytes() + progress.warnings.first.bytes() + progress.positions.size() * 128;
}

Result<void> fold_onto(Snapshot& state, std::span<const Chunk> chunks) {
  for (const auto& chunk : chunks) {
    if (chunk.first != state.progress.version + 1 || chunk.prev != state.head)
      return failure(Errc::store_corrupt, "the log has a gap behind a snapshot");
    for (const auto& event : chunk.events) state.progress = evolve(std::move(state.progress), event);
    state.head = {.first = chunk.first, .hash = chunk.hash};
  }
  return {};
}

}  // namespace pebbles::store
