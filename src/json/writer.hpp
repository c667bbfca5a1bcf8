#pragma once
#include <cstdint>
#include <string>
#include <string_view>

/// JSON text appended to a string: no tree, no second copy.
namespace pebbles::json {

/// Appends `text` as a JSON string with its quotes. Escapes what RFC 8259 section 7 demands and nothing else, so equal
/// text always gives equal bytes. Precondition: `text` is valid UTF-8.
void append_string(std::string& out, std::string_view text);

/// Appends `,"name":"text"`; nothing where `text` is empty. Precondition: `name` needs no escaping.
void append_text_member(std::string& out, std::string_view name, std::string_view text);

void append_integer(std::string& out, std::int64_t value);

}  // namespace pebbles::json
