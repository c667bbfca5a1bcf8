#pragma once
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace pebbles {

/// Lets something that may happen a thousand times a second be said once an interval. Threads: any.
class RateLimit {
 public:
  explicit RateLimit(std::chrono::milliseconds interval) : interval_{interval} {}

  /// Nullopt: not now. Else how often that was the answer since the last time.
  [[nodiscard]] std::optional<std::int64_t> pass(
      std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now()) {
    const std::lock_guard lock{mutex_};
    if (last_ && now - *last_ < interval_) {
      ++held_back_;
      return std::nullopt;
    }
    last_ = now;
    return std::exchange(held_back_, 0);
  }

 private:
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::optional<std::chrono::steady_clock::time_point> last_;
  std::int64_t held_back_ = 0;
};

}  // namespace pebbles
