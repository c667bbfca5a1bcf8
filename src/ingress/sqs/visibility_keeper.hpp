#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "ingress/sqs/in_flight.hpp"
#include "ingress/sqs/queue_state.hpp"
#include "ingress/sqs/sqs_client.hpp"

namespace pebbles::sqs {

/// What changes when messages are seen again. All that is referred to outlives it.
struct VisibilityParts {
  Queue queue;
  InFlight& in_flight;
  QueueState& state;
};

/// Hides messages that are held from the queue's other readers, again and again, while their commit takes long; and
/// says when messages that were given back are seen again. A thread of its own asks the service, ten at a time.
class VisibilityKeeper {
 public:
  explicit VisibilityKeeper(const VisibilityParts& parts);
  ~VisibilityKeeper();
  VisibilityKeeper(const VisibilityKeeper&) = delete;
  VisibilityKeeper& operator=(const VisibilityKeeper&) = delete;

  /// A message that is not held any more. Tried once: without it the queue's own time-out goes on. Never blocks.
  void give_back(VisibilityChange change);
  /// Ends its thread.
  void stop();

 private:
  void run(const std::stop_token& stopping);
  void change(SqsClient& client, std::span<const InFlight::Due> some, const std::stop_token& stopping);
  [[nodiscard]] std::vector<InFlight::Due> wait_for_work(const std::stop_token& stopping);

  const VisibilityParts parts_;
  std::mutex mutex_;
  std::condition_variable_any came_;
  std::vector<InFlight::Due> given_back_;  ///< without tickets
  std::jthread thread_;                    ///< last: it uses the rest
};

}  // namespace pebbles::sqs
