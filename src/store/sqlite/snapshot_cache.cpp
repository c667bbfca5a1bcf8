#include "store/sqlite/snapshot_cache.hpp"

#include <cstring>
#include <functional>

namespace pebbles::store::sqlite {

std::size_t SnapshotCache::IdHash::operator()(const IdKey& key) const noexcept {
  std::size_t out = 0;
  std::memcpy(&out, key.id.data() + key.id.size() - sizeof out, sizeof out);
  return out ^ std::hash<std::string_view>{}(key.client);
}

SnapshotCache::Epoch SnapshotCache::epoch() const {
  const std::lock_guard lock{mutex_};
  return epoch_;
}

template <std::size_t index, class Key>
SnapshotPtr SnapshotCache::find_in(const Key& key) {
  const std::lock_guard lock{mutex_};
  const auto& by_key = entries_.get<index>();
  const auto found = by_key.find(key);
  if (found == by_key.end()) return nullptr;
  auto& by_use = entries_.get<0>();
  by_use.relocate(by_use.begin(), entries_.project<0>(found));
  return found->snapshot;
}

SnapshotPtr SnapshotCache::find(const StreamId& stream) { return find_in<1>(stream); }

SnapshotPtr SnapshotCache::find(const domain::ClientKrn& client, const domain::FileId& id) {
  return find_in<2>(IdKey{.client = *client, .id = id});
}

void SnapshotCache::put(SnapshotPtr read, Epoch before) {
  const std::lock_guard lock{mutex_};
  if (epoch_ != before) return;
  erase(read->stream);
  insert(std::move(read));
}

void SnapshotCache::written_out(const SnapshotPtr& newest) {
  const std::lock_guard lock{mutex_};
  ++epoch_;
  if (!entries_.get<1>().contains(newest->stream)) return;
  erase(newest->stream);
  if (newest->progress.exists()) insert(newest);
}

void SnapshotCache::insert(SnapshotPtr snapshot) {
  const auto bytes = bytes_of(*snapshot);
  if (!entries_.push_front({.snapshot = std::move(snapshot), .bytes = bytes}).second) return;
  bytes_ += bytes;
  while (bytes_ > bytes_max_ && !entries_.empty()) {
    bytes_ -= entries_.back().bytes;
    entries_.pop_back();
  }
}

void SnapshotCache::erase(const StreamId& stream) {
  auto& by_stream = entries_.get<1>();
  const auto found = by_stream.find(stream);
  if (found == by_stream.end()) return;
  bytes_ -= found->bytes;
  by_stream.erase(found);
}

}  // namespace pebbles::store::sqlite
