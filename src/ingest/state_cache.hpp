#pragma once
#include <cstddef>
#include <list>
#include <unordered_map>

#include "store/event_store.hpp"

namespace pebbles::ingest {

/// The states a lane has seen last, up to a bound of bytes; the least recently used go first. Only a hint: the store's
/// version check decides. Threads: one.
class StateCache {
 public:
  explicit StateCache(std::size_t bytes_max) : bytes_max_{bytes_max} {}

  /// Null when it isn't held.
  [[nodiscard]] store::SnapshotPtr find(const domain::StreamId& stream);
  void put(store::SnapshotPtr state);
  void erase(const domain::StreamId& stream);

 private:
  struct Entry {
    domain::StreamId stream;
    store::SnapshotPtr state;
    std::size_t bytes = 0;
  };
  using Order = std::list<Entry>;

  void evict();

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  Order order_;  // most recently used first
  // The keys live in the entries.
  struct HashByValue {
    std::size_t operator()(const domain::StreamId* stream) const noexcept {
      return std::hash<domain::StreamId>{}(*stream);
    }
  };
  struct EqualByValue {
    bool operator()(const domain::StreamId* a, const domain::StreamId* b) const noexcept { return *a == *b; }
  };
  std::unordered_map<const domain::StreamId*, Order::iterator, HashByValue, EqualByValue> entries_;
};

}  // namespace pebbles::ingest
