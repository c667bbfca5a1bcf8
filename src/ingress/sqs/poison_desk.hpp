#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "ingress/sqs/dead_letters.hpp"
#include "ingress/sqs/in_flight.hpp"
#include "ingress/sqs/poison.hpp"
#include "ingress/sqs/queue_watch.hpp"
#include "ingress/sqs/visibility_keeper.hpp"

namespace pebbles::sqs {

/// What it uses. All that is referred to outlives it.
struct PoisonParts {
  InFlight& in_flight;
  VisibilityKeeper& visibility;
  const QueueWatch& watch;
  DeadLetters* dead_letters = nullptr;  ///< null without SQS_DLQ_URL
  const Clock& clock;
  bool is_fifo = false;
  std::function<void(Ticket)> remove;    ///< it can be deleted
  std::function<void(Ticket)> finished;  ///< later messages of its group can go on
};

/// Deals with messages that can never be counted: see `PoisonWay`. Such a message is judged for ever, and stays in its
/// queue until it is durable in another, so it holds up nothing but, in a FIFO queue with SQS_DLQ_URL, its successors
/// (docs/adr/0011). Threads: any.
class PoisonDesk {
 public:
  explicit PoisonDesk(PoisonParts parts) : parts_{std::move(parts)} {}
  /// Never blocks.
  void take(Poisoned poisoned);

 private:
  void leave(const Poisoned& poisoned, const ReceivedMessage& message, PoisonWay way);
  void send(Poisoned poisoned, ReceivedMessage message);

  const PoisonParts parts_;
};

}  // namespace pebbles::sqs
