#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "ingress/sqs/queue_state.hpp"
#include "ingress/sqs/sqs_client.hpp"

namespace pebbles::sqs {

/// Asks for the queue's attributes at start, until they come, and again now and then. A thread of its own asks.
class QueueWatch {
 public:
  /// `heard` is told of each answer, from its thread.
  QueueWatch(Queue queue, QueueState& state, std::function<void(const QueueFacts&)> heard);
  ~QueueWatch();
  QueueWatch(const QueueWatch&) = delete;
  QueueWatch& operator=(const QueueWatch&) = delete;

  /// As last heard; nullopt before the first answer. Threads: any.
  [[nodiscard]] std::optional<QueueFacts> facts() const;
  /// False when there are none yet, or `stop` was requested.
  [[nodiscard]] bool wait_for_facts(std::chrono::milliseconds patience, const std::stop_token& stop);
  /// Ends its thread.
  void stop();

 private:
  void run(const std::stop_token& stopping);

  const Queue queue_;
  QueueState& state_;
  const std::function<void(const QueueFacts&)> heard_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<QueueFacts> facts_;
  std::jthread thread_;  ///< last: it uses the rest
};

}  // namespace pebbles::sqs
