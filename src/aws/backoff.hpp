#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <utility>

namespace pebbles::aws {

/// Exponential back-off with full jitter: each wait is uniform between nothing and a bound that doubles from `first` to
/// `max`, so that many who failed together do not come back together. Threads: one.
class Backoff {
 public:
  struct Options {
    std::chrono::milliseconds first{200};
    std::chrono::milliseconds max{std::chrono::seconds{20}};
    std::uint64_t seed = std::random_device{}();  ///< tests give one
  };

  explicit Backoff(const Options& options) : options_{options}, random_{options.seed}, bound_{options.first} {}

  /// How long to wait after another failure.
  [[nodiscard]] std::chrono::milliseconds next() {
    const auto bound = std::exchange(bound_, std::min(2 * bound_, options_.max));
    return std::chrono::milliseconds{std::uniform_int_distribution<std::int64_t>{0, bound.count()}(random_)};
  }

  /// Something worked.
  void reset() { bound_ = options_.first; }

 private:
  Options options_;
  std::mt19937_64 random_;
  std::chrono::milliseconds bound_;
};

}  // namespace pebbles::aws
