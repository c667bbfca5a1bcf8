#include "ingress/sqs/envelope.hpp"

#include <simdjson.h>

#include "crypto/base64url.hpp"
#include "json/parser.hpp"

namespace pebbles::sqs {
namespace {

using simdjson::dom::object;

std::optional<std::string_view> text_in(const object& document, std::string_view name) {
  std::string_view out;
  if (document[name].get(out)) return std::nullopt;
  return out;
}

/// The document, where it can have a member of that name: most messages are parsed only once, behind this.
std::optional<object> parse_with(std::string_view value, std::string_view quoted_name) {
  object out;
  if (!value.contains(quoted_name) || json::parse(value).get(out)) return std::nullopt;
  return out;
}

/// The name that Kafka's binding has for it.
std::string name_of_header(std::string_view name) {
  for (const std::string_view prefix : {"ce_", "ce-", "cloudEvents_"})
    if (name.starts_with(prefix)) return "ce_" + std::string{name.substr(prefix.size())};
  return std::string{name};
}

}  // namespace

Content::Content(const ReceivedMessage& message) : value_{message.body} {
  for (const auto& attribute : message.attributes) {
    if (!attribute.is_binary())
      add(attribute.name, attribute.value);
    else if (const auto bytes = crypto::from_base64(attribute.value))
      add(attribute.name, *bytes);
  }
  unwrap();
}

/// Attributes that were published with it stand in the envelope too.
void Content::unwrap() {
  const json::ParserScope scope;
  const auto envelope = parse_with(value_, "\"Notification\"");
  if (!envelope || text_in(*envelope, "Type") != "Notification" || !text_in(*envelope, "TopicArn")) return;
  const auto message = text_in(*envelope, "Message");
  if (!message) return;
  unwrapped_ = std::string{*message};
  notification_id_ = text_in(*envelope, "MessageId").value_or(std::string_view{});
  object attributes;
  if ((*envelope)["MessageAttributes"].get(attributes)) return;
  for (const auto [name, attribute] : attributes) {
    object members;
    if (attribute.get(members)) continue;
    if (const auto value = text_in(members, "Value"); value && text_in(members, "Type") != "Binary") add(name, *value);
  }
}

void Content::add(std::string_view name, std::string_view value) {
  headers_.push_back({.name = name_of_header(name), .value = std::string{value}});
}

std::vector<admission::MessageHeader> Content::headers() const {
  std::vector<admission::MessageHeader> out;
  out.reserve(headers_.size());
  for (const auto& [name, value] : headers_) out.push_back({.name = name, .value = value});
  return out;
}

}  // namespace pebbles::sqs
