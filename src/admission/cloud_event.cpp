#include "admission/cloud_event.hpp"

#include <fmt/core.h>

#include "admission/media_type.hpp"
#include "base/header_text.hpp"

namespace pebbles::admission {
namespace {

std::unexpected<Unusable> bad_event(std::string detail) {
  return std::unexpected{Unusable{.reason = Reason::cloud_event, .detail = std::move(detail)}};
}

/// JSON's own type or one built on it (RFC 6839, section 3.1), in UTF-8.
bool is_json_data(std::string_view media_type) {
  constexpr std::string_view suffix = "+json";
  const auto type = type_of(media_type);
  const bool built_on_json =
      type.size() > suffix.size() && equal_ignoring_case(type.substr(type.size() - suffix.size()), suffix);
  return is_json(media_type) || (built_on_json && is_utf8(media_type));
}

}  // namespace

bool is_structured(std::string_view media_type) {
  constexpr std::string_view prefix = "application/cloudevents";
  return equal_ignoring_case(type_of(media_type).substr(0, prefix.size()), prefix);
}

EventName name_of_event(const EventAttributes& attributes) {
  constexpr char separator = 0x1f;
  EventName out{.id = std::string{*attributes.id}, .key = std::string{*attributes.source}, .chosen_by_sender = true};
  out.key += separator;
  out.key += out.id;
  return out;
}

std::optional<std::string_view>* find_attribute(EventAttributes& attributes, std::string_view name) {
  if (name == "specversion") return &attributes.specversion;
  if (name == "id") return &attributes.id;
  if (name == "source") return &attributes.source;
  if (name == "type") return &attributes.type;
  if (name == "datacontenttype") return &attributes.datacontenttype;
  return nullptr;
}

std::optional<EventAttributes> find_event(std::span<const MessageHeader> headers) {
  constexpr std::string_view prefix = "ce_";
  EventAttributes out;
  for (const auto& header : headers)
    if (header.name.starts_with(prefix))
      if (auto* const attribute = find_attribute(out, header.name.substr(prefix.size()))) *attribute = header.value;
  // In this mode the message's own content-type tells what the data is.
  out.datacontenttype.reset();
  if (!out.specversion && !out.id && !out.source && !out.type) return std::nullopt;
  return out;
}

std::expected<void, Unusable> judge(const EventAttributes& attributes) {
  if (attributes.specversion != "1.0") return bad_event("specversion must be 1.0");
  const auto is_key = [](const std::optional<std::string_view>& text) { return text && is_valid_key(*text); };
  for (const auto& [name, attribute] : {std::pair{"id", attributes.id}, std::pair{"source", attributes.source}})
    if (!is_key(attribute))
      return bad_event(
          fmt::format("{} must be a string of 1 to {} bytes without control characters", name, key_bytes_max));
  if (!attributes.type || attributes.type->empty()) return bad_event("type must be a string that is not empty");
  if (attributes.datacontenttype && !is_json_data(*attributes.datacontenttype))
    return std::unexpected{
        Unusable{.reason = Reason::content_type,
                 .detail = "datacontenttype must be application/json, text/json or …+json, in UTF-8"}};
  return {};
}

}  // namespace pebbles::admission
