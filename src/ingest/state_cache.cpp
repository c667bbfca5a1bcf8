#include "ingest/state_cache.hpp"

namespace pebbles::ingest {

store::SnapshotPtr StateCache::find(const domain::StreamId& stream) {
  const auto found = entries_.find(&stream);
  if (found == entries_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->state;
}

void StateCache::put(store::SnapshotPtr state) {
  erase(state->stream);
  const auto bytes = store::bytes_of(*state);
  order_.push_front({.state = std::move(state), .bytes = bytes});
  entries_.emplace(&order_.front().state->stream, order_.begin());
  bytes_ += bytes;
  evict();
}

void StateCache::erase(const domain::StreamId& stream) {
  const auto found = entries_.find(&stream);
  if (found == entries_.end()) return;
  const auto entry = found->second;
  bytes_ -= entry->bytes;
  entries_.erase(found);  // before the entry: the key points into its snapshot
  order_.erase(entry);
}

void StateCache::evict() {
  while (bytes_ > bytes_max_ && !order_.empty()) erase(order_.back().state->stream);
}

}  // namespace pebbles::ingest
