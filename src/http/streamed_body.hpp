#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/result.hpp"

namespace pebbles::http {

class WorkerPool;

/// Makes a body while it is sent, piece by piece, so that an answer of any length takes the memory of one piece.
/// Threads: one at a time, of a worker pool; it may block. Lifetime: its answer's, which ends early when the client
/// goes away.
class BodySource {
 public:
  /// About how long a piece should be: long enough that waking up for it costs nothing beside it.
  static constexpr std::size_t piece_bytes = 128UL << 10U;

  virtual ~BodySource() = default;

  /// Appends the next piece, which may be empty where a look for more took long enough. False when it was the last.
  /// An error, or an exception, ends the answer short of its end, which tells the client that it is not whole.
  [[nodiscard]] virtual Result<bool> next(std::string& out) = 0;
};

/// The body of an answer that is streamed. The next piece is made only when the one before has been sent: a slow client
/// holds no thread.
struct StreamedBody {
  std::unique_ptr<BodySource> source;
  WorkerPool& pool;                         ///< where pieces are made
  std::string asker;                        ///< in whose turn
  std::shared_ptr<const void> permit = {};  ///< of a `StreamBudget`, for as long as it is sent
};

/// How many answers may be streamed at once. Threads: any. Lifetime: outlives its permits.
class StreamBudget {
 public:
  struct Bounds {
    std::size_t all = 32;
    std::size_t of_one = 8;
  };

  explicit StreamBudget(const Bounds& bounds) : bounds_{bounds} {}
  StreamBudget(const StreamBudget&) = delete;
  StreamBudget& operator=(const StreamBudget&) = delete;

  /// Leave for one more of this asker's, for as long as it lives; null when there are enough.
  [[nodiscard]] std::shared_ptr<const void> take(const std::string& asker) {
    const std::lock_guard lock{mutex_};
    if (running_ >= bounds_.all) return nullptr;
    auto& of_one = of_askers_[asker];  // none is left at 0: see `give_back`
    if (of_one >= bounds_.of_one) return nullptr;
    ++of_one;
    ++running_;
    return {this, [asker](StreamBudget* budget) { budget->give_back(asker); }};
  }

 private:
  void give_back(const std::string& asker) {
    const std::lock_guard lock{mutex_};
    --running_;
    const auto entry = of_askers_.find(asker);
    if (--entry->second == 0) of_askers_.erase(entry);
  }

  const Bounds bounds_;
  std::mutex mutex_;
  std::size_t running_ = 0;
  std::unordered_map<std::string, std::size_t> of_askers_;
};

}  // namespace pebbles::http
