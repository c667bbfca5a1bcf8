#pragma once
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "domain/precondition.hpp"
#include "http/exchange.hpp"

namespace pebbles::rest {

/// The key in an `Idempotency-Key` value: an RFC 8941 String (section 3.3.3; parameters behind it are ignored) or, as
/// many clients send it, the bare text. The error says what is wrong. Whether the key is allowed is admission's matter.
[[nodiscard]] std::expected<std::string, std::string_view> read_idempotency_key(std::string_view value);

/// The request's `Idempotency-Key`, nullopt when there is none. The error says what is wrong with it.
[[nodiscard]] std::expected<std::optional<std::string>, std::string_view> key_in(const http::Exchange& exchange);

/// A list of entity tags, or `*` (RFC 9110, section 13.1.1).
enum class Comparison : bool { weak, strong };
/// Reads an `If-Match` (strong: a weak tag matches nothing, section 8.8.3.2) or an `If-None-Match` value. Nullopt for
/// what is not well-formed.
[[nodiscard]] std::optional<domain::TagList> read_tag_list(std::string_view value, Comparison comparison);

/// What the request says of the state that its file has to be in; null when it says nothing. The error says what is
/// wrong with it.
[[nodiscard]] std::expected<std::shared_ptr<const domain::Precondition>, std::string_view> precondition_in(
    const http::Exchange& exchange);
[[nodiscard]] bool has_precondition(const http::Exchange& exchange);

/// The answer where it does not hold.
[[nodiscard]] http::Response precondition_failed(const http::Exchange& exchange);

/// Whether its body comes as it is, with one `Content-Type` at most.
[[nodiscard]] bool has_plain_body(const http::Exchange& exchange);

/// Whether a `Prefer` value asks for `return=minimal` (RFC 7240, section 4.2).
[[nodiscard]] bool prefers_minimal(std::string_view prefer);

/// Whether an `Accept` value takes application/x-ndjson and no application/json.
[[nodiscard]] bool takes_only_ndjson(std::string_view accept);

}  // namespace pebbles::rest
