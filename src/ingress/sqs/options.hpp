#pragma once
#include <chrono>
#include <cstddef>
#include <string>

/// Reads updates from a queue of Amazon SQS. docs/sqs.md says what users can rely on.
namespace pebbles::sqs {

struct SqsOptions {
  std::string queue_url;
  std::string endpoint;  ///< http(s)://host[:port], of that queue and the next
  std::string region;
  std::string dead_letter_url;          ///< where poison goes when the queue has no redrive policy; empty: nowhere
  std::size_t pollers_max = 8;          ///< receives under way at once, in a backlog
  std::chrono::seconds wait{5};         ///< how long a receive waits for messages; a stop waits for it
  std::size_t messages_max = 8000;      ///< held, and fewer where the visibility timeout is below half a minute
  std::size_t bytes_max = 32UL << 20U;  ///< of them
};

}  // namespace pebbles::sqs
