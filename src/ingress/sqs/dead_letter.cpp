#include "ingress/sqs/dead_letter.hpp"

#include <algorithm>

#include "admission/update.hpp"

namespace pebbles::sqs {
namespace {

constexpr std::size_t detail_bytes_max = 1024;

/// At most that many bytes, whole characters.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
  auto size = std::min(text.size(), bytes_max);
  while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size);
}

void add(std::vector<Attribute>& attributes, std::string_view name, std::string_view value) {
  if (!value.empty())  // SQS takes none that is empty
    attributes.push_back({.name = std::string{name}, .data_type = "String", .value = std::string{value}});
}

bool is_traced(const ReceivedMessage& message, std::string_view trace_id) {
  return std::ranges::any_of(message.attributes, [&](const Attribute& attribute) {
    if (attribute.name != traceparent_name) return false;
    const auto trace = parse_traceparent(attribute.value);
    return trace && trace->trace_id == trace_id;
  });
}

}  // namespace

/// Whoever can write to the queue can write that attribute, at any length.
std::string_view original_id(const ReceivedMessage& message) {
  for (const auto& attribute : message.attributes)
    if (attribute.name == dead_letter_attribute::message_id && admission::is_valid_key(attribute.value))
      return attribute.value;
  return message.id;
}

OutgoingMessage message_of(const DeadLetter& letter, bool to_fifo, Keep keep) {
  OutgoingMessage out;
  auto& attributes = out.attributes;
  add(attributes, dead_letter_attribute::reason, letter.reason);
  add(attributes, dead_letter_attribute::detail, cut(letter.detail, detail_bytes_max));
  add(attributes, dead_letter_attribute::message_id, original_id(letter.original));
  add(attributes, dead_letter_attribute::time, to_rfc3339(letter.time));
  add(attributes, traceparent_name, to_traceparent(letter.trace));
  if (keep != Keep::all) add(attributes, dead_letter_attribute::omitted, keep == Keep::body ? "attributes" : "body");
  const bool goes_on = is_traced(letter.original, letter.trace.trace_id);
  for (const auto& attribute : letter.original.attributes) {
    if (attribute.name == traceparent_name || (attribute.name == tracestate_name && !goes_on)) continue;
    if (keep != Keep::all || attributes.size() == attributes_max) break;
    // A dead letter that was sent back and failed again has the newer reasons alone.
    if (!attribute.name.starts_with(dead_letter_attribute::ours)) attributes.push_back(attribute);
  }
  out.body = keep == Keep::reason ? "(omitted)" : letter.original.body;
  if (to_fifo) {
    out.group = letter.original.group.empty() ? "pebbles" : letter.original.group;
    out.deduplication_id = letter.original.id;
  }
  return out;
}

}  // namespace pebbles::sqs
