#include "ingress/sqs/poison_desk.hpp"

#include "ingress/sqs/message_reader.hpp"
#include "telemetry/sqs_metrics.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::sqs {
namespace {

/// Views into all three.
telemetry::MessageFacts facts_of(const Poisoned& poisoned, const ReceivedMessage& message,
                                 const admission::MessageAbout& about) {
  return {.source = "sqs",
          .id = message.id,
          .client = about.client,
          .file = about.file,
          .trace_id = about.trace.trace_id,
          .reason = poisoned.reason,
          .detail = poisoned.detail};
}

}  // namespace

void PoisonDesk::take(Poisoned poisoned) {
  auto message = parts_.in_flight.message(poisoned.ticket);
  if (!message) {  // it was given up: whoever receives it next has its own gate
    if (poisoned.gate) poisoned.gate->pass();
    return;
  }
  const auto facts = parts_.watch.facts();
  const auto way = way_of_poison(facts && facts->has_redrive_policy, parts_.dead_letters != nullptr);
  if (way == PoisonWay::dead_letter_queue)
    send(std::move(poisoned), *std::move(message));
  else
    leave(poisoned, *message, way);
}

void PoisonDesk::leave(const Poisoned& poisoned, const ReceivedMessage& message, PoisonWay way) {
  telemetry::sqs_consumed(telemetry::SqsOutcome::left, 1);
  const auto about = about_message(message);
  telemetry::sqs_poison_left(facts_of(poisoned, message, about), message.receive_count);
  parts_.visibility.give_back(
      {.receipt = message.receipt, .timeout = pause_of_poison(way, parts_.is_fifo, message.receive_count)});
  parts_.in_flight.forget({&poisoned.ticket, 1});
  if (poisoned.gate) poisoned.gate->pass();
  parts_.finished(poisoned.ticket);
}

void PoisonDesk::send(Poisoned poisoned, ReceivedMessage message) {
  telemetry::sqs_consumed(telemetry::SqsOutcome::dead_lettered, 1);
  const auto about = about_message(message);
  telemetry::message_dead_lettered(facts_of(poisoned, message, about));
  if (!parts_.is_fifo && poisoned.gate) std::exchange(poisoned.gate, nullptr)->pass();
  parts_.dead_letters->write({.original = std::move(message),
                              .reason = std::move(poisoned.reason),
                              .detail = std::move(poisoned.detail),
                              .time = parts_.clock.now(),
                              .trace = next_step(about.trace)},
                             [this, ticket = poisoned.ticket, gate = std::move(poisoned.gate)] {
                               if (gate) gate->pass();
                               parts_.finished(ticket);
                               parts_.remove(ticket);
                             });
}

}  // namespace pebbles::sqs
