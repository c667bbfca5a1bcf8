#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/result.hpp"

namespace pebbles::monitor {

struct StoreWatchOptions {
  std::chrono::milliseconds pause{500};       ///< between one ping and the next
  std::chrono::milliseconds patience{2'000};  ///< a ping that takes longer counts as failed while it goes on
};

/// Pings the store again and again on a thread of its own, so that a question about it is answered at once, also while
/// a ping hangs, and however many ask, the store is asked no more often. Threads: any may ask.
class StoreWatch {
 public:
  using Ping = std::function<Result<void>()>;

  /// The first ping is over when this returns, unless it takes longer than `patience`.
  StoreWatch(Ping ping, StoreWatchOptions options);
  /// Waits for a ping that is under way.
  ~StoreWatch();
  StoreWatch(const StoreWatch&) = delete;
  StoreWatch& operator=(const StoreWatch&) = delete;

  /// Why the store is not ready; nullopt when it is.
  [[nodiscard]] std::optional<std::string> trouble() const;

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  void run();

  Ping ping_;
  const StoreWatchOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> trouble_;  ///< of the last ping
  std::optional<SteadyTime> begun_;     ///< of the one under way
  bool asked_ = false;                  ///< a ping has ended
  bool stopped_ = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace pebbles::monitor
