#pragma once
#include <chrono>

/// What becomes of a message that can never be counted. Pure.
namespace pebbles::sqs {

enum class PoisonWay {
  redrive,            ///< it stays, and comes again until the queue's own policy moves it
  dead_letter_queue,  ///< it is sent to SQS_DLQ_URL, then deleted
  keep,               ///< it stays, and comes again ever more rarely
};

/// The queue's own policy goes first: two ways at once would be two dead letters.
[[nodiscard]] PoisonWay way_of_poison(bool has_redrive_policy, bool has_dead_letter_queue);

/// For how long a message that stays is not seen, after so many deliveries. In a FIFO queue it holds up its group
/// meanwhile, so there the pauses are short, or none where a policy will move it.
[[nodiscard]] std::chrono::seconds pause_of_poison(PoisonWay way, bool is_fifo, int receive_count);

}  // namespace pebbles::sqs
