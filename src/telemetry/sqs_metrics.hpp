#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// What is counted of a queue of SQS. Names are stable; docs/metrics.md lists them. Threads: any.
namespace pebbles::telemetry {

/// What became of a message.
enum class SqsOutcome : std::uint8_t {
  applied,
  duplicate,      ///< it was counted before
  dead_lettered,  ///< it can never be counted, and goes to SQS_DLQ_URL
  left,           ///< it can never be counted, and stays; counted at each delivery
  dropped,        ///< it came back undecided; it comes again
};
void sqs_consumed(SqsOutcome outcome, std::int64_t messages);

/// A poll brought so many, and took so long: up to 20 s where there is little to do.
void sqs_received(std::size_t messages, std::chrono::steady_clock::duration took);
/// A message's outcome is known, so long after it was received.
void sqs_settled(std::chrono::steady_clock::duration took);
/// It was hidden for another time-out while it waited for its commit.
void sqs_hidden_on();
/// Of those that receive.
void sqs_pollers(std::size_t count);

struct SqsDepth {
  std::int64_t visible = 0;
  std::int64_t in_flight = 0;
  std::int64_t delayed = 0;
};
void sqs_depth(const SqsDepth& depth);
/// One message could not be deleted; also a log line, once a second at most.
void sqs_delete_failed(std::string_view code, std::string_view what);
/// Its body was not what its checksum says: as if it had not come. Also a log line, likewise.
void sqs_message_damaged(std::string_view id);

}  // namespace pebbles::telemetry
