#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>

namespace pebbles {

/// Keeps what can wait (exports, retention) from slowing what cannot (ingest): while the latter is at work, a thread of
/// the former rests behind each piece of work, so that it works for one part in `parts` of the time.
/// Threads: any. Lifetime: outlives its users.
class BackgroundShare {
 public:
  using Duration = std::chrono::steady_clock::duration;

  /// However long a piece took: who waits for the next sees that there is one.
  static constexpr std::chrono::milliseconds rest_max{3000};

  /// `is_busy`: whether what cannot wait is at work; any thread. Without it nobody rests.
  BackgroundShare(std::function<bool()> is_busy, std::size_t parts)
      : is_busy_{std::move(is_busy)}, parts_{static_cast<int>(parts)} {}

  /// How long to rest behind a piece that took so long, if there is work that cannot wait all the while.
  [[nodiscard]] Duration rest_after(Duration took) const {
    return took < rest_max / parts_ ? (parts_ - 1) * took : Duration{rest_max};
  }

  /// Rests behind a piece that took so long, until there is nothing else to do or `ends()`, of which `changed` tells.
  template <class Ends>
  void rest(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Duration took, Ends ends) const {
    constexpr std::chrono::milliseconds look_every{20};
    const auto until = std::chrono::steady_clock::now() + rest_after(took);
    while (is_busy_ && is_busy_() && !ends()) {
      const auto now = std::chrono::steady_clock::now();
      if (now >= until) return;
      changed.wait_until(lock, until - now < look_every ? until : now + look_every);
    }
  }

 private:
  const std::function<bool()> is_busy_;
  const int parts_;
};

}  // namespace pebbles
