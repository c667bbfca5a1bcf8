#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "ingress/sqs/dead_letter.hpp"
#include "ingress/sqs/message_reader.hpp"

namespace {

using namespace pebbles;

void check_key(const domain::EventKey& key) {
  PEBBLES_ASSERT(key.text.starts_with("p:") || key.text.starts_with("s:"), "a key of no space");
  PEBBLES_ASSERT(key.text.size() > 2, "an empty key got through");
}

void check_dead_letter(const sqs::ReceivedMessage& message) {
  const sqs::DeadLetter letter{.original = message, .reason = "invalid", .detail = message.body, .time = {}};
  const auto sent = sqs::message_of(letter, true);
  PEBBLES_ASSERT(sent.attributes.size() <= sqs::attributes_max, "more attributes than SQS takes");
  // What is written is read as JSON again.
  PEBBLES_ASSERT(sqs::read_batch(sqs::send_request("u", {&sent, 1}), 1).has_value(), "a request that is no JSON");
}

}  // namespace

/// The input is an answer to ReceiveMessage, or else a message's body. Every message in it is read, or refused with a
/// reason, and can be written as a dead letter.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto rule = admission::ClientKrnRule::compile(admission::ClientKrnRule::default_pattern);
  static const SystemClock clock;
  static sqs::MessageReader reader{*rule, clock};
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  (void)sqs::read_facts(text);
  (void)sqs::read_batch(text, sqs::batch_max);
  auto received = sqs::read_received(text);
  const bool is_answer = received.has_value() && !received->messages.empty();
  std::vector<sqs::ReceivedMessage> messages;
  if (is_answer)
    messages = std::move(received->messages);
  else
    messages.push_back({.id = "m", .receipt = "r", .body = std::string{text}, .group = {}, .attributes = {}});
  for (const auto& message : messages) {
    const auto read = reader.read(message);
    if (const auto* const update = std::get_if<sqs::MessageReader::Update>(&read)) {
      check_key(*update->report.key);
      PEBBLES_ASSERT(rule->accepts(*update->stream.client), "a bad client got through");
    } else {
      PEBBLES_ASSERT(!std::get<admission::Unusable>(read).detail.empty(), "a refusal without a reason");
    }
    if (is_answer) check_dead_letter(message);
  }
  return 0;
}
