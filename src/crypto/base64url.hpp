#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace pebbles::crypto {

/// Base64 with the URL-safe alphabet and no padding (RFC 4648, section 5).
[[nodiscard]] std::string to_base64url(std::string_view bytes);

/// Only the one canonical spelling is accepted: no padding, no foreign character, no bits left over.
[[nodiscard]] std::optional<std::string> from_base64url(std::string_view text);

/// Base64 with the ordinary alphabet and padding (RFC 4648, section 4), as strictly.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

/// Whether `from_base64url` would accept it, without the copy.
[[nodiscard]] bool is_base64url(std::string_view text);

}  // namespace pebbles::crypto
