#include "ingress/sqs/sqs_client.hpp"

namespace pebbles::sqs {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds patience{10'000};

aws::Service service_of(const Queue& queue) {
  return {.endpoint = queue.endpoint, .region = queue.region, .name = "sqs", .target_prefix = "AmazonSQS"};
}

template <class T>
Called<T> called(Result<T> read) {
  if (read) return *std::move(read);
  return std::unexpected{
      aws::Fault{.kind = aws::FaultKind::away, .status = 200, .code = {}, .message = std::move(read).error().detail}};
}

}  // namespace

SqsClient::SqsClient(Queue queue) : queue_{std::move(queue)}, client_{service_of(queue_), queue_.credentials} {}

Called<Received> SqsClient::receive(seconds wait, const std::stop_token& stop) {
  PEBBLES_TRY(answer, client_.call("ReceiveMessage", receive_request(queue_.url, wait), wait + patience, stop));
  return called(read_received(answer));
}

Called<QueueFacts> SqsClient::facts(const std::stop_token& stop) {
  PEBBLES_TRY(answer, client_.call("GetQueueAttributes", facts_request(queue_.url), patience, stop));
  return called(read_facts(answer));
}

Called<std::vector<EntryResult>> SqsClient::remove(std::span<const std::string> receipts, const std::stop_token& stop) {
  return call_batch("DeleteMessageBatch", delete_request(queue_.url, receipts), receipts.size(), stop);
}

Called<std::vector<EntryResult>> SqsClient::change_visibility(std::span<const VisibilityChange> changes,
                                                              const std::stop_token& stop) {
  return call_batch("ChangeMessageVisibilityBatch", visibility_request(queue_.url, changes), changes.size(), stop);
}

Called<std::vector<EntryResult>> SqsClient::send(std::span<const OutgoingMessage> messages,
                                                 const std::stop_token& stop) {
  return call_batch("SendMessageBatch", send_request(queue_.url, messages), messages.size(), stop);
}

Called<std::vector<EntryResult>> SqsClient::call_batch(std::string_view action, const std::string& body,
                                                       std::size_t entries, const std::stop_token& stop) {
  PEBBLES_TRY(answer, client_.call(action, body, patience, stop));
  return called(read_batch(answer, entries));
}

}  // namespace pebbles::sqs
