#include "admission/message.hpp"

#include <fmt/core.h>

#include "admission/cloud_event.hpp"
#include "admission/media_type.hpp"
#include "admission/read_update.hpp"
#include "base/header_text.hpp"
#include "base/result.hpp"
#include "crypto/base64url.hpp"

namespace pebbles::admission {
namespace {

template <class T>
using Judged = std::expected<T, Unusable>;

std::unexpected<Unusable> refuse(Reason reason, std::string detail) {
  return std::unexpected{Unusable{.reason = reason, .detail = std::move(detail)}};
}

/// What a CloudEvent is known by. Empty texts: the message is none.
struct EventName {
  std::string id;
  std::string key;
};

/// Views into a parsed document do not outlive the next parse, so the name is a copy.
EventName name_of_event(const EventAttributes& attributes) {
  constexpr char separator = 0x1f;
  EventName out{.id = std::string{*attributes.id}, .key = std::string{*attributes.source}};
  out.key += separator;
  out.key += out.id;
  return out;
}

Judged<std::string> key_of(std::string event_id, EventName event) {
  if (event_id.empty()) return std::move(event.key);
  if (!event.id.empty() && event.id != event_id)
    return refuse(Reason::keys_differ, "eventId and the CloudEvent's id must be the same where both are given");
  return event_id;  // the same key as over HTTP, where there is no source
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

Judged<Message> message_of(const simdjson::dom::object& document, EventName event, const ClientKrnRule& client_rule) {
  auto parsed = read_update(document);
  if (const auto* faults = std::get_if<Faults>(&parsed)) return refuse(*faults, document, client_rule);
  auto& update = std::get<Update>(parsed);
  Faults faults;
  if (!client_rule.accepts(update.client_krn))
    faults.push_back({.detail = "clientKrn must be given and a valid client name", .pointer = "/clientKrn"});
  if (!is_valid_email(update.email))
    faults.push_back({.detail = "email must be given and an address", .pointer = "/email"});
  if (!faults.empty()) return refuse(faults, document, client_rule);
  PEBBLES_TRY(key, key_of(std::move(update.event_id), std::move(event)));
  return Message{
      .stream = {.client = domain::ClientKrn{std::move(update.client_krn)}, .filename = std::move(update.filename)},
      .by = domain::Email{std::move(update.email)},
      .what = std::move(update.what),
      .event_id = std::move(key)};
}

Judged<Message> read_json(std::string_view json, std::string_view what, EventName event,
                          const ClientKrnRule& client_rule) {
  const auto document = parse_object(json, what);
  if (!document) return refuse(Reason::not_json, document.error().detail);
  return message_of(*document, std::move(event), client_rule);
}

/// The members of a structured event.
struct Envelope {
  EventAttributes attributes;
  std::optional<simdjson::dom::element> data;
  std::optional<std::string_view> data_base64;
};

Judged<Envelope> read_envelope(const simdjson::dom::object& document) {
  Envelope out;
  for (const auto [name, value] : document) {
    auto* const text = name == "data_base64" ? &out.data_base64 : find_attribute(out.attributes, name);
    if (text == nullptr && name != "data") continue;
    // Which of the two was meant nobody can tell.
    if (text != nullptr ? text->has_value() : out.data.has_value())
      return refuse(Reason::cloud_event, fmt::format("{} must be given only once", name));
    if (text == nullptr) {
      out.data = value;
    } else if (!value.is_null()) {
      std::string_view read;
      if (value.get(read)) return refuse(Reason::cloud_event, fmt::format("{} must be a string", name));
      *text = read;
    }
  }
  if (out.data.has_value() == out.data_base64.has_value())
    return refuse(Reason::cloud_event, "either data or data_base64 must be given");
  return out;
}

Judged<Message> read_structured(std::string_view value, std::string_view content_type,
                                const ClientKrnRule& client_rule) {
  // Other formats and batches, which Kafka's binding does not have, are not read.
  if (!equal_ignoring_case(type_of(content_type), "application/cloudevents+json") || !is_utf8(content_type))
    return refuse(Reason::content_type, "of CloudEvents only application/cloudevents+json, in UTF-8, is read");
  const auto document = parse_object(value, "the value");
  if (!document) return refuse(Reason::not_json, document.error().detail);
  PEBBLES_TRY(envelope, read_envelope(*document));
  if (const auto good = judge(envelope.attributes); !good) return std::unexpected{good.error()};
  auto event = name_of_event(envelope.attributes);
  if (envelope.data_base64) {
    const auto data = crypto::from_base64(*envelope.data_base64);
    if (!data) return refuse(Reason::cloud_event, "data_base64 must be Base64");
    return read_json(*data, "data_base64", std::move(event), client_rule);
  }
  simdjson::dom::object data;
  if (envelope.data->get(data)) return refuse(Reason::not_json, "data must be a JSON object");
  return message_of(data, std::move(event), client_rule);
}

std::optional<std::string_view> find_content_type(std::span<const MessageHeader> headers) {
  std::optional<std::string_view> out;
  for (const auto& header : headers)
    if (equal_ignoring_case(header.name, "content-type")) out = header.value;
  return out;
}

Judged<Message> read_message(std::string_view value, std::span<const MessageHeader> headers,
                             const ClientKrnRule& client_rule) {
  if (value.empty()) return refuse(Reason::empty_value, "the value must not be empty");
  if (value.size() > update_bytes_max)
    return refuse(Reason::too_large, fmt::format("the value must have at most {} bytes", update_bytes_max));
  const auto content_type = find_content_type(headers);
  if (content_type && is_structured(*content_type)) return read_structured(value, *content_type, client_rule);
  EventName event;
  if (auto attributes = find_event(headers)) {
    attributes->datacontenttype = content_type;
    if (const auto good = judge(*attributes); !good) return std::unexpected{good.error()};
    event = name_of_event(*attributes);
  } else if (content_type && !is_json(*content_type)) {
    return refuse(Reason::content_type, "content-type must be application/json, in UTF-8, or absent");
  }
  return read_json(value, "the value", std::move(event), client_rule);
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
  auto judged = read_message(value, headers, client_rule);
  if (!judged) return std::move(judged).error();
  return *std::move(judged);
}

}  // namespace pebbles::admission
