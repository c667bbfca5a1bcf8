#pragma once
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "http/exchange.hpp"

namespace pebbles::rest {

/// The key in an `Idempotency-Key` value: an RFC 8941 String (section 3.3.3; parameters behind it are ignored) or, as
/// many clients send it, the bare text. The error says what is wrong. Whether the key is allowed is admission's matter.
[[nodiscard]] std::expected<std::string, std::string_view> read_idempotency_key(std::string_view value);

/// The request's `Idempotency-Key`, nullopt when there is none. The error says what is wrong with it.
[[nodiscard]] std::expected<std::optional<std::string>, std::string_view> key_in(const http::Exchange& exchange);

/// Whether its body comes as it is, with one `Content-Type` at most.
[[nodiscard]] bool has_plain_body(const http::Exchange& exchange);

/// Whether a `Prefer` value asks for `return=minimal` (RFC 7240, section 4.2).
[[nodiscard]] bool prefers_minimal(std::string_view prefer);

/// Whether an `Accept` value takes application/x-ndjson and no application/json.
[[nodiscard]] bool takes_only_ndjson(std::string_view accept);

}  // namespace pebbles::rest
