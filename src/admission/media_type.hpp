#pragma once
#include <string_view>

/// What a `Content-Type`, or a message's `content-type`, says of its content (RFC 9110, section 8.3). In each of these
/// functions the whole value may be in double quotes, as some producers of messages write it.
namespace pebbles::admission {

/// application/json or text/json, with no charset or utf-8.
[[nodiscard]] bool is_json(std::string_view media_type);

/// One of the names for a JSON text a line, likewise: application/x-ndjson, /ndjson, /jsonl, /x-jsonl, /jsonlines,
/// /x-jsonlines. None of them is registered.
[[nodiscard]] bool is_ndjson(std::string_view media_type);

/// application/cloudevents+json, likewise: one CloudEvent with its envelope (structured mode).
[[nodiscard]] bool is_json_event(std::string_view media_type);

/// application/cloudevents-batch+json, likewise: an array of such events.
[[nodiscard]] bool is_json_events(std::string_view media_type);

/// A media type without its parameters, as it was written: "Text/Plain;charset=utf-8" → "Text/Plain".
[[nodiscard]] std::string_view type_of(std::string_view media_type);

/// Whether its parameters leave UTF-8 as the charset: none is named, or utf-8 is (utf8, as many write it).
[[nodiscard]] bool is_utf8(std::string_view media_type);

}  // namespace pebbles::admission
