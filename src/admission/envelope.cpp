#include "admission/envelope.hpp"

#include <fmt/core.h>

#include "admission/cloud_event.hpp"
#include "admission/read_update.hpp"
#include "base/result.hpp"
#include "crypto/base64url.hpp"
#include "json/parser.hpp"

namespace pebbles::admission {
namespace {

using simdjson::dom::object;

std::unexpected<Unusable> bad_envelope(Reason reason, std::string detail) {
  return std::unexpected{Unusable{.reason = reason, .detail = std::move(detail)}};
}

bool is_from_eventbridge(const object& document) {
  object detail;
  return !json::text_in(document, "detail-type").empty() && !json::text_in(document, "source").empty() &&
         document["detail"].get(detail) == simdjson::SUCCESS;
}

/// The members of a structured event.
struct Members {
  EventAttributes attributes;
  std::optional<simdjson::dom::element> data;
  std::optional<std::string_view> data_base64;
};

std::expected<Members, Unusable> read_event_members(const object& document) {
  Members out;
  for (const auto [name, value] : document) {
    auto* const text = name == "data_base64" ? &out.data_base64 : find_attribute(out.attributes, name);
    if (text == nullptr && name != "data") continue;
    // Which of the two was meant nobody can tell.
    if (text != nullptr ? text->has_value() : out.data.has_value())
      return bad_envelope(Reason::cloud_event, fmt::format("{} must be given only once", name));
    if (text == nullptr) {
      out.data = value;
    } else if (!value.is_null()) {
      std::string_view read;
      if (value.get(read)) return bad_envelope(Reason::cloud_event, fmt::format("{} must be a string", name));
      *text = read;
    }
  }
  if (out.data.has_value() == out.data_base64.has_value())
    return bad_envelope(Reason::cloud_event, "either data or data_base64 must be given");
  return out;
}

std::expected<Enclosed, Unusable> open_cloud_event(const object& document) {
  PEBBLES_TRY(members, read_event_members(document));
  if (const auto good = judge(members.attributes); !good) return std::unexpected{good.error()};
  Enclosed out;
  out.event = name_of_event(members.attributes);
  if (members.data_base64) {
    const auto data = crypto::from_base64(*members.data_base64);
    if (!data) return bad_envelope(Reason::cloud_event, "data_base64 must be Base64");
    const auto update = parse_object({.text = *data, .what = "data_base64"});
    if (!update) return bad_envelope(Reason::not_json, update.error().detail);
    out.update = *update;
  } else if (members.data->get(out.update)) {
    return bad_envelope(Reason::not_json, "data must be a JSON object");
  }
  return out;
}

std::expected<Enclosed, Unusable> open_eventbridge(const object& document) {
  const auto id = json::text_in(document, "id");
  const auto source = json::text_in(document, "source");
  if (!is_valid_key(id) || !is_valid_key(source))
    return bad_envelope(Reason::invalid,
                        fmt::format("id and source of an EventBridge event must be strings of 1 to {} bytes without "
                                    "control characters",
                                    key_bytes_max));
  Enclosed out;
  out.event = name_of_event({.id = id, .source = source});
  out.event.chosen_by_sender = false;
  if (document["detail"].get(out.update)) return bad_envelope(Reason::not_json, "detail must be a JSON object");
  return out;
}

}  // namespace

bool is_envelope(const object& document) {
  bool may_be_eventbridge = false;
  for (const auto [name, value] : document) {
    if (name == "specversion" && !value.is_null()) return true;
    may_be_eventbridge = may_be_eventbridge || name == "detail-type";
  }
  return may_be_eventbridge && is_from_eventbridge(document);
}

std::expected<Enclosed, Unusable> open_envelope(const object& document) {
  const bool says_cloud_event = document["specversion"].error() == simdjson::SUCCESS;
  return !says_cloud_event && is_from_eventbridge(document) ? open_eventbridge(document) : open_cloud_event(document);
}

std::expected<std::string, Unusable> key_of(std::string event_id, const EventName& event) {
  if (event_id.empty()) return event.key;
  if (event.chosen_by_sender && event.id != event_id)
    return bad_envelope(Reason::keys_differ, "eventId and the CloudEvent's id must be the same where both are given");
  return event_id;  // the same key as over HTTP, where there is no source
}

}  // namespace pebbles::admission
