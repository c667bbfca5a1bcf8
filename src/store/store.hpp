#pragma once
#include <memory>

#include "store/event_store.hpp"
#include "store/progress_reader.hpp"

namespace pebbles::store {

/// What is open of a store: both ports. Destroyed after every lane and every reader.
class Store {
 public:
  Store() = default;
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// A lane's side; call once per lane. Some stores serve one lane only.
  [[nodiscard]] virtual std::unique_ptr<EventStore> writer() = 0;
  /// Lives as long as the store.
  [[nodiscard]] virtual ProgressReader& reader() = 0;
};

}  // namespace pebbles::store
