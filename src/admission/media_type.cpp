#include "admission/media_type.hpp"

#include <algorithm>
#include <initializer_list>

#include "base/header_text.hpp"

namespace pebbles::admission {
namespace {

std::string_view plain(std::string_view media_type) { return trimmed(unquoted(trimmed(media_type))); }

bool is_one_of(std::string_view media_type, std::initializer_list<std::string_view> types) {
  const auto type = type_of(media_type);
  return std::ranges::any_of(types, [&](std::string_view each) { return equal_ignoring_case(type, each); }) &&
         is_utf8(media_type);
}

}  // namespace

std::string_view type_of(std::string_view media_type) {
  media_type = plain(media_type);
  return next_part(media_type, ';');
}

bool is_utf8(std::string_view media_type) {
  media_type = plain(media_type);
  static_cast<void>(next_part(media_type, ';'));
  while (!media_type.empty()) {
    auto parameter = next_part(media_type, ';');
    if (!equal_ignoring_case(next_part(parameter, '='), "charset")) continue;
    const auto charset = unquoted(trimmed(parameter));
    if (!equal_ignoring_case(charset, "utf-8") && !equal_ignoring_case(charset, "utf8")) return false;
  }
  return true;
}

bool is_json(std::string_view media_type) { return is_one_of(media_type, {"application/json", "text/json"}); }

bool is_ndjson(std::string_view media_type) {
  return is_one_of(media_type, {"application/x-ndjson", "application/ndjson", "application/jsonl",
                                "application/x-jsonl", "application/jsonlines", "application/x-jsonlines"});
}

bool is_json_event(std::string_view media_type) { return is_one_of(media_type, {"application/cloudevents+json"}); }

bool is_json_events(std::string_view media_type) {
  return is_one_of(media_type, {"application/cloudevents-batch+json"});
}

}  // namespace pebbles::admission
