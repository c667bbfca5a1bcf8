#include "admission/message.hpp"

#include <fmt/core.h>

#include "admission/cloud_event.hpp"
#include "admission/envelope.hpp"
#include "admission/media_type.hpp"
#include "admission/read_update.hpp"
#include "base/header_text.hpp"
#include "base/result.hpp"
#include "json/parser.hpp"

namespace pebbles::admission {
namespace {

template <class T>
using Judged = std::expected<T, Unusable>;

std::unexpected<Unusable> refuse(Reason reason, std::string detail) {
  return std::unexpected{Unusable{.reason = reason, .detail = std::move(detail)}};
}

/// What a bad update says about whose it is; empty where that is no valid name.
std::string client_in(const simdjson::dom::object& document, const ClientKrnRule& client_rule) {
  std::string_view named;
  if (document["clientKrn"].get(named) || !client_rule.accepts(named)) return {};
  return std::string{named};
}

std::unexpected<Unusable> refuse(const Faults& faults, const simdjson::dom::object& document,
                                 const ClientKrnRule& client_rule) {
  return std::unexpected{
      Unusable{.reason = Reason::invalid, .detail = summary_of(faults), .client = client_in(document, client_rule)}};
}

Judged<Message> message_of(const simdjson::dom::object& document, const EventName& event,
                           const ClientKrnRule& client_rule) {
  auto parsed = read_members(document);
  if (const auto* faults = std::get_if<Faults>(&parsed)) return refuse(*faults, document, client_rule);
  auto& update = std::get<Update>(parsed);
  Faults faults;
  if (!client_rule.accepts(update.client_krn))
    faults.push_back({.detail = "clientKrn must be given and a valid client name", .pointer = "/clientKrn"});
  if (!is_valid_email(update.email))
    faults.push_back({.detail = "email must be given and an address", .pointer = "/email"});
  if (!faults.empty()) return refuse(faults, document, client_rule);
  PEBBLES_TRY(key, key_of(std::move(update.event_id), event));
  return Message{
      .stream = {.client = domain::ClientKrn{std::move(update.client_krn)}, .filename = std::move(update.filename)},
      .by = domain::Email{std::move(update.email)},
      .what = std::move(update.what),
      .event_id = std::move(key)};
}

/// One that is null or empty says nothing.
std::optional<std::string_view> find_content_type(std::span<const MessageHeader> headers) {
  std::optional<std::string_view> out;
  for (const auto& header : headers)
    if (equal_ignoring_case(header.name, "content-type")) out = header.value;
  return out && !type_of(*out).empty() ? out : std::nullopt;
}

constexpr std::string_view value_name = "the value";

/// The update is the value, and headers are around it.
Judged<Message> read_binary(std::string_view value, const EventAttributes& attributes,
                            const ClientKrnRule& client_rule) {
  if (const auto good = judge(attributes); !good) return std::unexpected{good.error()};
  const auto event = name_of_event(attributes);
  const auto document = parse_object({.text = value, .what = value_name});
  if (!document) return refuse(Reason::not_json, document.error().detail);
  return message_of(*document, event, client_rule);
}

Judged<Message> read_message(std::string_view value, std::span<const MessageHeader> headers,
                             const ClientKrnRule& client_rule) {
  if (value.empty()) return refuse(Reason::empty_value, "the value must not be empty");
  if (value.size() > update_bytes_max)
    return refuse(Reason::too_large, fmt::format("the value must have at most {} bytes", update_bytes_max));
  const auto content_type = find_content_type(headers);
  const bool says_event = content_type && is_structured(*content_type);
  if (!says_event) {
    if (auto attributes = find_event(headers)) {
      attributes->datacontenttype = content_type;
      return read_binary(value, *attributes, client_rule);
    }
  }
  const auto wrong_type = [says_event] {
    // Other formats and batches, which Kafka's binding does not have, are not read.
    return refuse(Reason::content_type, says_event
                                            ? "of CloudEvents only application/cloudevents+json, in UTF-8, is read"
                                            : "content-type must be application/json, in UTF-8, or absent");
  };
  const bool says_json = !content_type || is_json_event(*content_type) || is_json(*content_type);
  if (!says_json && !value.contains("\"specversion\"")) return wrong_type();
  const auto document = parse_object({.text = value, .what = value_name});
  if (!document) return says_json ? refuse(Reason::not_json, document.error().detail) : wrong_type();
  if ((says_event && says_json) || is_envelope(*document)) {
    PEBBLES_TRY(enclosed, open_envelope(*document));
    return message_of(enclosed.update, enclosed.event, client_rule);
  }
  if (!says_json) return wrong_type();
  return message_of(*document, {}, client_rule);
}

}  // namespace

std::string_view name_of(Reason reason) {
  switch (reason) {
    case Reason::empty_value: return "empty_value";
    case Reason::too_large: return "too_large";
    case Reason::content_type: return "content_type";
    case Reason::not_json: return "not_json";
    case Reason::invalid: return "invalid";
    case Reason::cloud_event: return "cloud_event";
    case Reason::keys_differ: return "keys_differ";
  }
  return "unknown";
}

std::variant<Message, Unusable> parse_message(std::string_view value, std::span<const MessageHeader> headers,
                                              const ClientKrnRule& client_rule) {
  const json::ParserScope scope;
  auto judged = read_message(value, headers, client_rule);
  if (!judged) return std::move(judged).error();
  return *std::move(judged);
}

}  // namespace pebbles::admission
