#pragma once
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/trace_context.hpp"
#include "ingress/sqs/protocol.hpp"

/// What a dead letter says of itself. It has the body and the attributes of its original, and attributes of ours, whose
/// names are a contract with whoever reads the dead-letter queue.
namespace pebbles::sqs {

namespace dead_letter_attribute {
inline constexpr std::string_view ours = "pebbles-dlq-";  ///< begins the name of each of the next
inline constexpr std::string_view reason = "pebbles-dlq-reason";
inline constexpr std::string_view detail = "pebbles-dlq-detail";
inline constexpr std::string_view message_id = "pebbles-dlq-message-id";  ///< the original's
inline constexpr std::string_view time = "pebbles-dlq-time";              ///< RFC 3339: when it was judged
/// The original was too large with these attributes on it: some of it was left out, "attributes" or "body".
inline constexpr std::string_view omitted = "pebbles-dlq-omitted";
}  // namespace dead_letter_attribute

/// The id of the message, or, of a dead letter of ours that was sent back, of the first that it was.
[[nodiscard]] std::string_view original_id(const ReceivedMessage& message);

struct DeadLetter {
  ReceivedMessage original;
  std::string reason;
  std::string detail;
  Timestamp time;
  TraceContext trace;  ///< a step of the original's (W3C Trace Context)
};

/// How much of the original a dead letter has. Where the service takes the whole it gets the whole.
enum class Keep { all, body, reason };

/// The message to send. Of the original's attributes as many are kept, in their order, as there is room for;
/// its `traceparent` becomes the letter's own, and a `tracestate` stays only where the trace was there before. For a
/// FIFO queue it has the original's group, and its id against sending it twice.
[[nodiscard]] OutgoingMessage message_of(const DeadLetter& letter, bool to_fifo, Keep keep = Keep::all);

}  // namespace pebbles::sqs
