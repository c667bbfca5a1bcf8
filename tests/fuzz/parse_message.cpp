#include <cstddef>
#include <cstdint>
#include <vector>

#include "admission/message.hpp"
#include "base/assert.hpp"

namespace {

using namespace pebbles;
using admission::Message;
using admission::MessageHeader;

std::string_view cut(std::string_view& rest, char separator) {
  const auto end = std::min(rest.find(separator), rest.size());
  const auto part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

void check_bounds(const Message& message, const admission::ClientKrnRule& rule) {
  PEBBLES_ASSERT(rule.accepts(*message.stream.client), "a bad client got through");
  PEBBLES_ASSERT(admission::is_valid_filename(*message.stream.filename), "a bad filename got through");
  PEBBLES_ASSERT(admission::is_valid_email(*message.by), "a bad email got through");
  auto key = std::string_view{message.event_id};
  if (key.empty()) return;
  const auto first = cut(key, '\x1f');
  PEBBLES_ASSERT(admission::is_valid_key(first), "a bad key or source got through");
  PEBBLES_ASSERT(message.event_id.size() == first.size() || admission::is_valid_key(key), "a bad id got through");
}

}  // namespace

/// The input is headers, a line "name:value" each, an empty line, and the message's value. What is accepted keeps every
/// bound and is read the same again; what is refused says why.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto rule = admission::ClientKrnRule::compile(admission::ClientKrnRule::default_pattern);
  std::string_view rest{reinterpret_cast<const char*>(data), size};
  std::vector<MessageHeader> headers;
  for (auto line = cut(rest, '\n'); !line.empty(); line = cut(rest, '\n')) {
    const auto name = cut(line, ':');
    headers.push_back({.name = name, .value = line});
  }
  const auto parsed = admission::parse_message(rest, headers, *rule);
  if (const auto* unusable = std::get_if<admission::Unusable>(&parsed)) {
    PEBBLES_ASSERT(!unusable->detail.empty() && name_of(unusable->reason) != "unknown", "a refusal without a reason");
    return 0;
  }
  const auto& message = std::get<Message>(parsed);
  check_bounds(message, *rule);
  const auto again = admission::parse_message(rest, headers, *rule);
  PEBBLES_ASSERT(std::holds_alternative<Message>(again), "an accepted message was refused the second time");
  const auto& same = std::get<Message>(again);
  PEBBLES_ASSERT(same.stream == message.stream && same.by == message.by && same.what == message.what &&
                     same.event_id == message.event_id,
                 "one message has two meanings");
  return 0;
}
