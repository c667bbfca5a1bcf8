#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "aws/backoff.hpp"
#include "ingress/sqs/in_flight.hpp"
#include "ingress/sqs/queue_state.hpp"
#include "ingress/sqs/sqs_client.hpp"

namespace pebbles::sqs {

/// What deletes messages. All that is referred to outlives it.
struct DeleterParts {
  Queue queue;
  InFlight& in_flight;
  QueueState& state;
};

/// Deletes messages behind the store, ten at a time, a moment after the first of fewer. What the service could not do
/// is tried again with back-off; what it refuses for good (a receipt that has expired) is let go: the message comes
/// again, is known by its key, and is deleted then. Threads: any may `put`; its own delete.
class Deleter {
 public:
  Deleter(const DeleterParts& parts, std::size_t threads);
  ~Deleter();
  Deleter(const Deleter&) = delete;
  Deleter& operator=(const Deleter&) = delete;

  /// Never blocks.
  void put(std::span<const Ticket> tickets);
  /// Ends its threads; what is not deleted comes again.
  void stop();

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct Waiting {
    Ticket ticket = 0;
    SteadyTime due;  ///< with others or without
    int attempts = 0;
  };
  using Batch = std::vector<Waiting>;

  void run(const std::stop_token& stopping);
  [[nodiscard]] Batch take(const std::stop_token& stopping);
  void remove(SqsClient& client, aws::Backoff& backoff, Batch batch, const std::stop_token& stopping);
  [[nodiscard]] Batch judge(const Batch& batch, std::span<const EntryResult> results);
  void insert(Waiting waiting);

  const DeleterParts parts_;
  std::mutex mutex_;
  std::condition_variable_any came_;
  std::deque<Waiting> queue_;          ///< by when they are due
  std::vector<std::jthread> threads_;  ///< last: they use the rest
};

}  // namespace pebbles::sqs
