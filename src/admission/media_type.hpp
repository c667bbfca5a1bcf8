#pragma once
#include <string_view>

/// What a `Content-Type`, or a message's `content-type`, says of its content (RFC 9110, section 8.3).
namespace pebbles::admission {

/// application/json, with no charset or utf-8.
[[nodiscard]] bool is_json(std::string_view media_type);

/// application/x-ndjson, likewise: a JSON text a line.
[[nodiscard]] bool is_ndjson(std::string_view media_type);

/// A media type without its parameters, as it was written: "Text/Plain;charset=utf-8" → "Text/Plain".
[[nodiscard]] std::string_view type_of(std::string_view media_type);

/// Whether its parameters leave UTF-8 as the charset: none is named, or utf-8 is.
[[nodiscard]] bool is_utf8(std::string_view media_type);

}  // namespace pebbles::admission
