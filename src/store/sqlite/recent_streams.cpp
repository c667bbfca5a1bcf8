#include "store/sqlite/recent_streams.hpp"

#include <algorithm>
#include <mutex>

#include "base/assert.hpp"

namespace pebbles::store::sqlite {
namespace {

/// An id's bytes, of fixed length, and its client.
std::string id_key(const domain::ClientKrn& client, const domain::FileId& id) {
  return std::string{reinterpret_cast<const char*>(id.data()), id.size()} + *client;
}

}  // namespace

std::size_t RecentStream::memory() const {
  constexpr std::size_t entries_bytes = 1000;
  constexpr std::size_t key_bytes = 80;  // in `keys` and in its chunk
  const auto names = latest->stream.client->size() + latest->stream.filename->size();
  return bytes_of(*latest) + entries_bytes + 4 * names + chunks.capacity() * sizeof(RecentChunk) +
         keys.size() * key_bytes;
}

void RecentStreams::apply(const std::vector<Written>& written, std::vector<Change> changes) {
  const std::unique_lock lock{mutex_};
  for (const auto& part : written) take_out(part);
  for (auto& change : changes) take_in(std::move(change));
}

void RecentStreams::take_out(const Written& written) {
  const auto found = streams_.find(written.stream);
  PEBBLES_ASSERT(found != streams_.end(), "only what is here was written out");
  RecentStream& entry = found->second;
  by_age_.erase(entry.chunks.front().seq);
  const auto end = entry.chunks.begin() + static_cast<std::ptrdiff_t>(written.chunks);
  for (auto chunk = entry.chunks.begin(); chunk != end; ++chunk) {
    row_count_ -= chunk->rows();
    for (const auto& key : chunk->keys) entry.keys.erase(key);
  }
  entry.chunks.erase(entry.chunks.begin(), end);
  if (entry.chunks.empty()) return forget(found);
  entry.items_changed = false;
  entry.deleted = nullptr;
  by_age_.emplace(entry.chunks.front().seq, written.stream);
}

void RecentStreams::forget(Streams::iterator entry) {
  const StreamId stream = entry->first;
  bytes_ -= entry->second.bytes;
  for (const auto& id : entry->second.ids) by_id_.erase(id_key(stream.client, id));
  const auto client = by_client_.find(*stream.client);
  client->second.erase(stream);
  if (client->second.empty()) by_client_.erase(client);
  streams_.erase(entry);
}

void RecentStreams::take_in(Change change) {
  const StreamId& stream = change.after->stream;
  auto [found, is_new] = streams_.try_emplace(stream);
  RecentStream& entry = found->second;
  if (is_new) {
    entry.row = change.row;
    by_client_[*stream.client].insert(stream);
    by_age_.emplace(change.chunk.seq, stream);
  }
  const auto& id = change.after->progress.id;
  if (entry.ids.empty() || entry.ids.back() != id) {
    entry.ids.push_back(id);
    by_id_.emplace(id_key(stream.client, id), stream);
  }
  row_count_ += change.chunk.rows();
  for (const auto& key : change.chunk.keys) entry.keys.emplace(key, change.chunk.seq);
  entry.chunks.push_back(std::move(change.chunk));
  entry.items_changed = entry.items_changed || change.items_changed;
  entry.latest = std::move(change.after);
  bytes_ -= entry.bytes;
  entry.bytes = entry.memory();
  bytes_ += entry.bytes;
  if (!entry.latest->progress.exists()) entry.deleted = entry.latest;
}

const RecentStream* RecentStreams::find(const StreamId& stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : &found->second;
}

SnapshotPtr RecentStreams::latest(const StreamId& stream) const {
  const std::shared_lock lock{mutex_};
  const auto* entry = find(stream);
  return entry != nullptr ? entry->latest : nullptr;
}

SnapshotPtr RecentStreams::latest(const domain::ClientKrn& client, const domain::FileId& id) const {
  const std::shared_lock lock{mutex_};
  const auto found = by_id_.find(id_key(client, id));
  return found == by_id_.end() ? nullptr : streams_.at(found->second).latest;
}

std::vector<RecentStreams::Latest> RecentStreams::of_client(const domain::ClientKrn& client) const {
  const std::shared_lock lock{mutex_};
  std::vector<Latest> out;
  const auto found = by_client_.find(*client);
  if (found == by_client_.end()) return out;
  out.reserve(found->second.size());
  for (const auto& stream : found->second) {
    const auto& entry = streams_.at(stream);
    out.push_back({.row = entry.row, .snapshot = entry.latest});
  }
  return out;
}

std::vector<std::int64_t> RecentStreams::seqs(const StreamId& stream, Version after, std::size_t chunks_max) const {
  const std::shared_lock lock{mutex_};
  std::vector<std::int64_t> out;
  const auto* entry = find(stream);
  if (entry == nullptr) return out;
  // The chunk that holds `after + 1` is the last one that begins at or before it.
  auto chunk = std::ranges::upper_bound(entry->chunks, after + 1, {}, &RecentChunk::first);
  if (chunk != entry->chunks.begin()) --chunk;
  for (; chunk != entry->chunks.end() && out.size() < chunks_max; ++chunk) out.push_back(chunk->seq);
  return out;
}

}  // namespace pebbles::store::sqlite
