#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ingest/flood.hpp"
#include "ingest/pace.hpp"
#include "ingest/pending.hpp"

namespace pebbles::ingest {

/// Updates on their way into a lane, each client's in order, taken in turns: a client that floods waits behind its own
/// flood, and while another sends something too the lane rests between its batches (`Flood`). Bounded in number and
/// bytes; one client fills at most half of what is free, so others always find room. Whoever waits for an answer is
/// refused at once where it would take too long (`Waits`). What came from a log has time: for that the number alone
/// counts. Threads: any may push, one takes.
class FairQueue {
 public:
  struct Bounds {
    std::size_t updates_max = 0;
    std::size_t bytes_max = 0;
  };

  struct Waits {
    std::chrono::milliseconds queued_max{250};        ///< in the queue, at the lane's pace
    std::chrono::milliseconds batch_max{100};         ///< a batch, while several clients wait, one for an answer
    std::chrono::milliseconds large_batch_max{2000};  ///< any other batch
    std::chrono::milliseconds stuck_max{3000};        ///< a batch that takes longer may take for ever
  };
  using Time = std::chrono::steady_clock::time_point;
  using Now = std::function<Time()>;

  FairQueue(Bounds bounds, Waits waits, Now now = std::chrono::steady_clock::now)
      : bounds_{bounds}, waits_{waits}, now_{std::move(now)} {}

  /// Gives the update back when there is no room for this client, or the queue is closed.
  [[nodiscard]] std::optional<Pending> push(Pending pending);

  /// The same for many at once, in order. What comes back is in order too, and of no client is anything taken behind
  /// what comes back.
  [[nodiscard]] std::vector<Pending> push(std::vector<Pending> pendings);

  /// One batch, at most `batch` large; waits for something to come until `patience` is over (without end: nullopt).
  /// That the last one is done with is taken from this call.
  /// Empty when nothing came, somebody called `wake`, or the queue is closed and empty.
  [[nodiscard]] std::vector<Pending> take(Bounds batch, std::optional<std::chrono::milliseconds> patience);

  /// Ends the wait of who takes, or spares the next one.
  void wake();

  /// Nothing comes in any more; what is there can still be taken.
  void close();
  [[nodiscard]] bool closed() const;
  [[nodiscard]] std::size_t size() const;

 private:
  struct ClientQueue {
    std::deque<std::pair<Pending, std::size_t>> updates;  // with their bytes
    std::size_t bytes = 0;
  };
  using Clients = std::unordered_map<std::string, ClientQueue>;

  /// When a burst begins, its first update waits for the others: two commits would take longer than one.
  static constexpr std::chrono::microseconds gather_for{150};

  [[nodiscard]] bool insert(Pending& pending, Time now);
  [[nodiscard]] bool would_wait_too_long(std::size_t own, Time now) const;
  [[nodiscard]] std::size_t updates_of_batch(std::size_t updates_max) const;
  void wait(std::unique_lock<std::mutex>& lock, std::size_t wanted, std::optional<std::chrono::microseconds> patience);
  void rest(std::unique_lock<std::mutex>& lock);

  Bounds bounds_;
  Waits waits_;
  Now now_;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  Clients clients_;                         // only those with updates
  std::deque<Clients::value_type*> turns_;  // each of them once
  std::size_t updates_ = 0;
  std::size_t bytes_ = 0;
  std::size_t asked_ = 0;  ///< of them, those for which somebody waits
  Pace pace_;
  Flood flood_;
  bool rests_ = false;
  bool closed_ = false;
  bool woken_ = false;
  std::size_t wanted_ = 0;  ///< who takes is woken when so many are there; 0: nobody waits
  std::size_t usual_ = 1;   ///< updates in a batch, a moving mean
};

}  // namespace pebbles::ingest
