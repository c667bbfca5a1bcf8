#pragma once
#include <atomic>
#include <cstddef>
#include <memory>

namespace pebbles::http {

/// The memory that many of a kind may hold together, as long answers until their clients have read them.
/// Threads: any. Lifetime: outlives what was taken of it.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t bytes_max) : bytes_max_{bytes_max} {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  /// Nothing more should be begun.
  [[nodiscard]] bool is_spent() const { return bytes_.load(std::memory_order_relaxed) >= bytes_max_; }

  /// Who holds on to it should be hurried.
  [[nodiscard]] bool is_half_spent() const { return bytes_.load(std::memory_order_relaxed) >= bytes_max_ / 2; }

  /// Takes so much for as long as what is returned lives, whether there is room or not: it is in use already.
  [[nodiscard]] std::shared_ptr<const void> take(std::size_t bytes) {
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    return {this, [bytes](ByteBudget* budget) { budget->bytes_.fetch_sub(bytes, std::memory_order_relaxed); }};
  }

 private:
  const std::size_t bytes_max_;
  std::atomic<std::size_t> bytes_{0};
};

}  // namespace pebbles::http
