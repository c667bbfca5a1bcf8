#pragma once
#include <string_view>

/// Rules of text that more than one edge applies, so that they cannot drift apart.
namespace pebbles::domain {

/// C0, DEL and C1 (U+0080 to U+009F): what can hide in a log line, a terminal or a file list.
/// Precondition: `text` is valid UTF-8.
[[nodiscard]] bool has_control_character(std::string_view text);

/// Something before the only @, something with a dot inside behind it, no spaces or control characters, at most 320
/// bytes (RFC 3696: 64 for the local part, 255 for the domain). Whether the address exists is the issuer's business.
/// Precondition: `email` is valid UTF-8.
[[nodiscard]] bool is_valid_email(std::string_view email);

}  // namespace pebbles::domain
