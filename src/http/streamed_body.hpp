#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/result.hpp"
#include "http/asker.hpp"

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
  Asker asker;                              ///< in whose turn
  std::shared_ptr<const void> permit = {};  ///< of a `StreamBudget`, for as long as it is sent
};

/// How many answers may be streamed at once. A requester has at most half of what is free. Threads: any. Lifetime:
/// outlives its permits.
class StreamBudget {
 public:
  struct Bounds {
    std::size_t all = 32;
    std::size_t of_tenant = 8;  ///< of one requester's
  };

  explicit StreamBudget(const Bounds& bounds) : bounds_{bounds} {}
  StreamBudget(const StreamBudget&) = delete;
  StreamBudget& operator=(const StreamBudget&) = delete;

  /// Leave for one more of this asker's, for as long as it lives; null when there are enough.
  [[nodiscard]] std::shared_ptr<const void> take(const Asker& asker) {
    const std::lock_guard lock{mutex_};
    const auto known = requesters_.find(asker.requester);
    const std::size_t of_requester = known == requesters_.end() ? 0 : known->second.running;
    if (of_requester >= bounds_.all - running_) return nullptr;
    auto& requester = requesters_[asker.requester];  // none is left at 0: see `give_back`
    auto& of_tenant = requester.tenants[asker.tenant];
    if (of_tenant >= bounds_.of_tenant) return nullptr;
    ++of_tenant;
    ++requester.running;
    ++running_;
    return {this, [asker](StreamBudget* budget) { budget->give_back(asker); }};
  }

 private:
  struct Requester {
    std::unordered_map<std::string, std::size_t> tenants;
    std::size_t running = 0;
  };

  void give_back(const Asker& asker) {
    const std::lock_guard lock{mutex_};
    --running_;
    const auto requester = requesters_.find(asker.requester);
    const auto tenant = requester->second.tenants.find(asker.tenant);
    if (--tenant->second == 0) requester->second.tenants.erase(tenant);
    if (--requester->second.running == 0) requesters_.erase(requester);
  }

  const Bounds bounds_;
  std::mutex mutex_;
  std::size_t running_ = 0;
  std::unordered_map<std::string, Requester> requesters_;
};

}  // namespace pebbles::http
