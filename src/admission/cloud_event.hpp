#pragma once
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "admission/envelope.hpp"

/// The envelope of a CloudEvent 1.0 (core specification, sections 3.1 and 3.2).
namespace pebbles::admission {

/// The attributes that matter here, as they came; views into headers or a parsed document.
struct EventAttributes {
  std::optional<std::string_view> specversion = {};
  std::optional<std::string_view> id = {};
  std::optional<std::string_view> source = {};
  std::optional<std::string_view> type = {};
  std::optional<std::string_view> datacontenttype = {};
};

/// Whether a media type says that the value is an event and its envelope (structured mode), in whatever format.
[[nodiscard]] bool is_structured(std::string_view media_type);

/// The attributes in `ce_…` headers (binary mode); nullopt when there is none of those that every event has.
[[nodiscard]] std::optional<EventAttributes> find_event(std::span<const MessageHeader> headers);

/// What every event must have, and data that is JSON. Errors: cloud_event, content_type.
[[nodiscard]] std::expected<void, Unusable> judge(const EventAttributes& attributes);

/// What an event is known by, copied: views into a parsed document end with the next parse. Precondition: it was
/// judged.
[[nodiscard]] EventName name_of_event(const EventAttributes& attributes);

/// An attribute's place by its name; null for those that do not matter.
[[nodiscard]] std::optional<std::string_view>* find_attribute(EventAttributes& attributes, std::string_view name);

}  // namespace pebbles::admission
