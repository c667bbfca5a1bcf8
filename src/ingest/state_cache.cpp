#include "ingest/state_cache.hpp"

namespace pebbles::ingest {

store::SnapshotPtr StateCache::find(const domain::StreamId& stream) {
  const auto found = entries_.find(&stream);
  if (found == entries_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->state;
}

void StateCache::put(store::SnapshotPtr state) {
  const auto bytes = store::bytes_of(*state);
  bytes_ += bytes;
  if (const auto found = entries_.find(&state->stream); found != entries_.end()) {
    Entry& entry = *found->second;
    bytes_ -= entry.bytes;
    entry.bytes = bytes;
    entry.state = std::move(state);
    order_.splice(order_.begin(), order_, found->second);
  } else {
    domain::StreamId stream = state->stream;
    order_.push_front({.stream = std::move(stream), .state = std::move(state), .bytes = bytes});
    entries_.emplace(&order_.front().stream, order_.begin());
  }
  evict();
}

void StateCache::erase(const domain::StreamId& stream) {
  const auto found = entries_.find(&stream);
  if (found == entries_.end()) return;
  const auto entry = found->second;
  bytes_ -= entry->bytes;
  entries_.erase(found);  // before the entry, where its key lives
  order_.erase(entry);
}

void StateCache::evict() {
  while (bytes_ > bytes_max_ && !order_.empty()) erase(order_.back().stream);
}

}  // namespace pebbles::ingest
