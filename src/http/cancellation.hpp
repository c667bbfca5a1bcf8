#pragma once
#include <atomic>

namespace pebbles::http {

/// Whether anybody still wants what a long piece of work makes: false once the client has left, or the server stops.
/// Work asks at bounded distances. Threads: any. Lifetime: the server outlives it.
class Cancellation {
 public:
  explicit Cancellation(const std::atomic<bool>& stopping) : stopping_{stopping} {}

  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool is_cancelled() const {
    return cancelled_.load(std::memory_order_relaxed) || stopping_.load(std::memory_order_relaxed);
  }

 private:
  const std::atomic<bool>& stopping_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace pebbles::http
