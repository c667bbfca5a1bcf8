#pragma once
#include <expected>
#include <string>
#include <string_view>

namespace pebbles::rest {

/// The key in an `Idempotency-Key` value: an RFC 8941 String (section 3.3.3; parameters behind it are ignored) or, as
/// many clients send it, the bare text. The error says what is wrong. Whether the key is allowed is admission's matter.
[[nodiscard]] std::expected<std::string, std::string_view> read_idempotency_key(std::string_view value);

/// Whether a `Prefer` value asks for `return=minimal` (RFC 7240, section 4.2).
[[nodiscard]] bool prefers_minimal(std::string_view prefer);

}  // namespace pebbles::rest
