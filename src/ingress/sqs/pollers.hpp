#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "ingress/sqs/in_flight.hpp"
#include "ingress/sqs/queue_state.hpp"
#include "ingress/sqs/sqs_client.hpp"

namespace pebbles::sqs {

/// What pollers use. All that is referred to outlives them.
struct PollerParts {
  Queue queue;
  std::size_t pollers_max = 1;
  std::chrono::seconds wait{5};  ///< of a receive for messages
  QueueState& state;
  /// Waits until one more receive may be asked for; false: not now, ask again.
  std::function<bool(const std::stop_token&)> may_receive;
  /// Takes what poller number `poller` has received at that time. Called from its thread, which receives on behind it.
  std::function<void(std::size_t poller, std::vector<ReceivedMessage> messages, InFlight::SteadyTime at)> take;
};

/// Threads that receive, each with a connection of its own: one when there is little to do, more in a backlog
/// (`next_poller_count`).
class Pollers {
 public:
  explicit Pollers(PollerParts parts);
  ~Pollers();
  Pollers(const Pollers&) = delete;
  Pollers& operator=(const Pollers&) = delete;

  /// Those that receive now. Threads: any.
  [[nodiscard]] std::size_t count() const;
  /// No more receives begin. What the open ones bring is still taken. Threads: any.
  void finish();
  /// The same, and ends the threads: waits until the open receives have ended, since what a service sends to a
  /// connection that is cut stays hidden for the queue's visibility timeout. Cuts those off that last longer than
  /// `patience`.
  void stop(std::chrono::milliseconds patience);

 private:
  enum class Came : std::uint8_t { failed, nothing_at_once, good };

  void run(std::size_t poller, const std::stop_token& stopping);
  [[nodiscard]] Came receive(std::size_t poller, SqsClient& client);
  [[nodiscard]] bool wait_for_turn(std::size_t poller, const std::stop_token& stopping);
  void set_wanted(std::size_t wanted);

  const PollerParts parts_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t wanted_ = 1;
  std::size_t running_ = 0;            ///< threads
  std::stop_source cut_;               ///< of open receives
  std::vector<std::jthread> threads_;  ///< last: they use the rest
};

}  // namespace pebbles::sqs
