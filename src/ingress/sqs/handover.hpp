#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "ingest/ingest.hpp"
#include "ingress/sqs/gathering.hpp"
#include "ingress/sqs/group_lines.hpp"

namespace pebbles::sqs {

/// Hands updates to the lanes: of a FIFO queue group by group in order, of a standard queue as they come, gathered for
/// a moment in a backlog. What the lanes have no room for is tried again here. Threads: any; its own tries again, and
/// goes on with groups and with what has gathered.
class Handover {
 public:
  struct Options {
    bool is_fifo = false;
    /// Told of each message that is no update, when its turn has come. Does not block.
    std::function<void(Ticket, const admission::Unusable&)> refuse;
  };
  Handover(ingest::Ingest& ingest, Options options);
  /// What waits here falls, and is settled as `Retry`.
  ~Handover();
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;

  /// Messages of one receive, in order. With `more_to_come` they may wait for others for a moment.
  void take(std::vector<Arrival> arrivals, bool more_to_come);
  /// How many wait for others.
  [[nodiscard]] std::size_t gathered();
  /// They wait no longer.
  void flush();
  /// Nothing is left to do about them that a later message of their group must wait for.
  void finished(std::span<const Ticket> tickets);
  /// They come again: so does what waits behind them.
  void dropped(std::span<const Ticket> tickets);
  /// The lanes are full: receive nothing more.
  [[nodiscard]] bool is_stuck() const { return is_stuck_.load(std::memory_order_relaxed); }
  /// Ends its thread; what waits falls.
  void stop();

 private:
  void run(const std::stop_token& stopping);
  void pass(std::vector<Arrival> arrivals);
  void submit(std::vector<ingest::Pending> pendings);

  ingest::Ingest& ingest_;
  const Options options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  GroupLines lines_;                     ///< of a FIFO queue
  Gathering gathering_;                  ///< of a standard queue
  std::vector<ingest::Pending> parked_;  ///< what came back from full lanes, in order
  std::atomic<bool> is_stuck_{false};
  std::jthread thread_;  ///< last: it uses the rest
};

}  // namespace pebbles::sqs
