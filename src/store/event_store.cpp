#include "store/event_store.hpp"

namespace pebbles::store {
std::size_t bytes_of(const Snapshot& snapshot) {
  constexpr std::size_t fixed = 512;  // the struct itself, its control block, an index entry
  const auto& progress = snapshot.progress;
  return fixed + snapshot.stream.client->size() + snapshot.stream.filename->size() + progress.owner->size() +
         progress.errors.first.bytes() + progress.warnings.first.bytes() + progress.positions.size() * 128;
}

bool follows(const Chunk& chunk, const Snapshot& state) {
  if (chunk.events.empty()) return false;
  const auto& front = chunk.events.front();
  if (state.progress.version == 0 && front.may_begin_log()) return true;
  return front.version == state.progress.version + 1 && chunk.prev == state.head;
}

ChunkRef head_behind(const Chunk& chunk) {
  if (const auto* baseline = std::get_if<domain::Baseline>(&chunk.events.back().what))
    return {.first = baseline->head, .hash = baseline->head_hash};
  return {.first = chunk.first, .hash = chunk.hash};
}

SnapshotPtr told_by(const StreamId& stream, const Chunk& last) {
  if (last.events.empty()) return nullptr;
  const auto& event = last.events.back();
  if (!event.may_begin_log() || event.is_birth()) return nullptr;
  auto out = std::make_shared<Snapshot>();
  out->stream = stream;
  out->progress = evolve({}, event);
  out->head = head_behind(last);
  return out;
}

Result<void> fold_onto(Snapshot& state, std::span<const Chunk> chunks) {
  for (const auto& chunk : chunks) {
    if (!follows(chunk, state)) return failure(Errc::store_corrupt, "the log has a gap behind a snapshot");
    for (const auto& event : chunk.events) state.progress = evolve(std::move(state.progress), event);
    state.head = head_behind(chunk);
  }
  return {};
}

}  // namespace pebbles::store
