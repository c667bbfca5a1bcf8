#pragma once
#include <boost/multi_index/global_fun.hpp>
#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index_container.hpp>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "store/event_store.hpp"

namespace pebbles::store::sqlite {

/// The snapshots that were read last, so that a file which many look at is read from the tables once. Never older than
/// the tables: the writer says what it wrote out, and what was read before that is refused.
/// Bounded in bytes; the least recently used goes. Threads: any.
class SnapshotCache {
 public:
  /// How many times something was written out. Ask for it before reading what is `put`.
  using Epoch = std::uint64_t;

  explicit SnapshotCache(std::size_t bytes_max) : bytes_max_{bytes_max} {}

  [[nodiscard]] Epoch epoch() const;
  /// Null when it isn't held.
  [[nodiscard]] SnapshotPtr find(const StreamId& stream);
  [[nodiscard]] SnapshotPtr find(const domain::ClientKrn& client, const domain::FileId& id);
  /// Keeps what was read, unless the tables have changed since `before`.
  void put(SnapshotPtr read, Epoch before);
  /// The tables hold this now: call after the commit, and before the stream leaves RecentStreams.
  void written_out(const SnapshotPtr& newest);

 private:
  struct Entry {
    SnapshotPtr snapshot;
    std::size_t bytes = 0;
  };
  struct IdKey {
    std::string_view client;
    domain::FileId id{};
    friend bool operator==(const IdKey&, const IdKey&) = default;
  };
  struct IdHash {
    std::size_t operator()(const IdKey& key) const noexcept;
  };
  static const StreamId& stream_of(const Entry& entry) { return entry.snapshot->stream; }
  static IdKey id_of(const Entry& entry) {
    return {.client = *entry.snapshot->stream.client, .id = entry.snapshot->progress.id};
  }
  using Entries = boost::multi_index_container<
      Entry, boost::multi_index::indexed_by<
                 boost::multi_index::sequenced<>,  // most recently used first
                 boost::multi_index::hashed_unique<
                     boost::multi_index::global_fun<const Entry&, const StreamId&, &SnapshotCache::stream_of>,
                     std::hash<StreamId>>,
                 boost::multi_index::hashed_unique<
                     boost::multi_index::global_fun<const Entry&, IdKey, &SnapshotCache::id_of>, IdHash>>>;

  template <std::size_t index, class Key>
  SnapshotPtr find_in(const Key& key);
  void insert(SnapshotPtr snapshot);
  void erase(const StreamId& stream);

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  Epoch epoch_ = 0;
  std::size_t bytes_ = 0;
  Entries entries_;
};

}  // namespace pebbles::store::sqlite
