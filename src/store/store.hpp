#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "store/event_store.hpp"
#include "store/progress_reader.hpp"
#include "store/pruner.hpp"

namespace pebbles::store {

/// How an open store is at this moment.
struct StoreState {
  std::string_view kind;        ///< "mongodb" or "sqlite"
  std::string_view topology{};  ///< of MongoDB: "replica set", "standalone", "sharded", or "unknown" until it answered
  std::size_t in_use = 0;       ///< connections (of SQLite: those for reading)
  std::size_t idle = 0;
  std::size_t waiting = 0;                                      ///< threads that wait for one
  std::optional<std::chrono::milliseconds> clock_difference{};  ///< how far this clock is ahead of the store's
  std::optional<std::string> refuses_commits{};  ///< why commits fail while reads go on, if they do: the disk is full
};

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
  /// Lives as long as the store.
  [[nodiscard]] virtual Pruner& pruner() = 0;
  /// `wake` is called, from any thread, when a lane should call `maintain` although nothing has come. Call once, before
  /// there is anything to prune.
  virtual void on_upkeep(std::function<void()> wake) { (void)wake; }
  /// Never blocks. Threads: any.
  [[nodiscard]] virtual StoreState state() const = 0;
};

}  // namespace pebbles::store
