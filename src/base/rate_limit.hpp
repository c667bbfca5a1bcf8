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
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit RateLimit(std::chrono::milliseconds interval) : interval_{interval} {}

  /// Nullopt: not now. Else how often that was the answer since the last time.
  [[nodiscard]] std::optional<std::int64_t> pass(TimePoint now = std::chrono::steady_clock::now()) {
    const std::lock_guard lock{mutex_};
    if (last_ && now - *last_ < interval_) {
      ++held_back_;
      return std::nullopt;
    }
    last_ = now;
    return std::exchange(held_back_, 0);
  }

  /// How often the answer was "not now", once an interval has gone by in which nothing has passed: else a thing that
  /// happens no more would leave its last count untold. 0 when there is nothing to tell.
  [[nodiscard]] std::int64_t take_overdue(TimePoint now = std::chrono::steady_clock::now()) {
    const std::lock_guard lock{mutex_};
    if (held_back_ == 0 || now - *last_ < interval_) return 0;
    last_ = now;
    return std::exchange(held_back_, 0);
  }

 private:
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::optional<TimePoint> last_;
  std::int64_t held_back_ = 0;
};

}  // namespace pebbles
