#pragma once
#include <chrono>
#include <expected>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "aws/credentials.hpp"
#include "aws/fault.hpp"
#include "aws/json_client.hpp"
#include "ingress/sqs/protocol.hpp"

namespace pebbles::sqs {

template <class T>
using Called = std::expected<T, aws::Fault>;

/// Where a queue is, and who asks. Threads: any may copy it.
struct Queue {
  std::string url;
  std::string endpoint;
  std::string region;
  std::shared_ptr<aws::CredentialsProvider> credentials;

  /// Its name says so, always.
  [[nodiscard]] bool is_fifo() const { return url.ends_with(".fifo"); }
};

/// Calls of one queue, each tried once, over one connection. They end within some 10 ms once `stop` is requested. An
/// answer that cannot be read is `FaultKind::away`. Threads: one call at a time.
class SqsClient {
 public:
  explicit SqsClient(Queue queue);

  /// Waits so long for messages, of which it brings at most `batch_max`; SQS allows up to 20 s. Where it is stopped
  /// what the service has given to nobody stays hidden for the queue's visibility timeout.
  [[nodiscard]] Called<Received> receive(std::chrono::seconds wait, const std::stop_token& stop);
  [[nodiscard]] Called<QueueFacts> facts(const std::stop_token& stop);
  /// A result for each of at most `batch_max` entries, as for the next two.
  [[nodiscard]] Called<std::vector<EntryResult>> remove(std::span<const std::string> receipts,
                                                        const std::stop_token& stop);
  [[nodiscard]] Called<std::vector<EntryResult>> change_visibility(std::span<const VisibilityChange> changes,
                                                                   const std::stop_token& stop);
  [[nodiscard]] Called<std::vector<EntryResult>> send(std::span<const OutgoingMessage> messages,
                                                      const std::stop_token& stop);

 private:
  [[nodiscard]] Called<std::vector<EntryResult>> call_batch(std::string_view action, const std::string& body,
                                                            std::size_t entries, const std::stop_token& stop);
  const Queue queue_;
  aws::JsonClient client_;
};

}  // namespace pebbles::sqs
