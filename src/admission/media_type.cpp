#include "admission/media_type.hpp"

#include "base/header_text.hpp"

namespace pebbles::admission {

std::string_view type_of(std::string_view media_type) { return next_part(media_type, ';'); }

bool is_utf8(std::string_view media_type) {
  static_cast<void>(next_part(media_type, ';'));
  while (!media_type.empty()) {
    auto parameter = next_part(media_type, ';');
    if (!equal_ignoring_case(next_part(parameter, '='), "charset")) continue;
    if (!equal_ignoring_case(unquoted(trimmed(parameter)), "utf-8")) return false;
  }
  return true;
}

bool is_json(std::string_view media_type) {
  return equal_ignoring_case(type_of(media_type), "application/json") && is_utf8(media_type);
}

bool is_ndjson(std::string_view media_type) {
  return equal_ignoring_case(type_of(media_type), "application/x-ndjson") && is_utf8(media_type);
}

}  // namespace pebbles::admission
