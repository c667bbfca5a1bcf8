#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ingest/pending.hpp"

namespace pebbles::ingest {

/// Updates on their way into a lane, each client's in order, taken in turns: a client that floods waits behind its own
/// flood. Bounded in number and bytes; one client fills at most half of what is free, so others always find room.
/// Threads: any may push, one takes.
class FairQueue {
 public:
  struct Bounds {
    std::size_t updates_max = 0;
    std::size_t bytes_max = 0;
  };

  explicit FairQueue(Bounds bounds) : bounds_{bounds} {}

  /// Gives the update back when there is no room for this client, or the queue is closed.
  [[nodiscard]] std::optional<Pending> push(Pending pending);

  /// The same for many at once, in order. What comes back is in order too, and of no client is anything taken behind
  /// what comes back.
  [[nodiscard]] std::vector<Pending> push(std::vector<Pending> pendings);

  /// One batch, at most `batch` large; waits for something to come until `patience` is over (without end: nullopt).
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

  [[nodiscard]] bool insert(Pending& pending);
  void wait(std::unique_lock<std::mutex>& lock, std::size_t wanted, std::optional<std::chrono::microseconds> patience);

  Bounds bounds_;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  Clients clients_;                         // only those with updates
  std::deque<Clients::value_type*> turns_;  // each of them once
  std::size_t updates_ = 0;
  std::size_t bytes_ = 0;
  bool closed_ = false;
  bool woken_ = false;
  std::size_t wanted_ = 0;  ///< who takes is woken when so many are there; 0: nobody waits
  std::size_t usual_ = 1;   ///< updates in a batch, a moving mean
};

}  // namespace pebbles::ingest
