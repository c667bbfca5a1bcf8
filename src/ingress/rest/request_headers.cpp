#include "ingress/rest/request_headers.hpp"

#include "admission/update.hpp"
#include "base/header_text.hpp"
#include "base/result.hpp"

namespace pebbles::rest {

std::expected<std::string, std::string_view> read_idempotency_key(std::string_view value) {
  value = trimmed(value);
  if (!value.starts_with('"')) return std::string{value};
  std::string out;
  for (std::size_t i = 1; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '"') {
      const auto rest = trimmed(value.substr(i + 1));
      if (rest.empty() || rest.front() == ';') return out;
      break;
    }
    if (c < 0x20 || c > 0x7e) break;
    if (c == '\\') {
      if (++i == value.size() || (value[i] != '"' && value[i] != '\\')) break;
    }
    out += value[i];
  }
  return std::unexpected{"Idempotency-Key is not a well-formed quoted string"};
}

std::expected<std::optional<std::string>, std::string_view> key_in(const http::Exchange& exchange) {
  const auto headers = exchange.header_count("Idempotency-Key");
  if (headers == 0) return std::nullopt;
  if (headers > 1) return std::unexpected{"Idempotency-Key is given more than once"};
  PEBBLES_TRY(key, read_idempotency_key(exchange.header("Idempotency-Key")));
  if (!admission::is_valid_key(key))
    return std::unexpected{"Idempotency-Key must be 1 to 256 bytes without control characters"};
  return std::move(key);
}

bool has_plain_body(const http::Exchange& exchange) {
  const auto encoding = exchange.combined_header("Content-Encoding");
  return exchange.header_count("Content-Type") <= 1 && (encoding.empty() || equal_ignoring_case(encoding, "identity"));
}

bool prefers_minimal(std::string_view prefer) {
  while (!prefer.empty()) {
    auto preference = next_part(prefer, ',');
    preference = next_part(preference, ';');
    const auto name = next_part(preference, '=');
    if (equal_ignoring_case(name, "return")) return equal_ignoring_case(unquoted(trimmed(preference)), "minimal");
  }
  return false;
}

bool takes_only_ndjson(std::string_view accept) {
  bool takes_it = false;
  while (!accept.empty()) {
    auto range = next_part(accept, ',');
    const auto type = next_part(range, ';');
    takes_it = takes_it || equal_ignoring_case(type, "application/x-ndjson");
    for (const std::string_view json : {"application/json", "application/*", "*/*"})
      if (equal_ignoring_case(type, json)) return false;
  }
  return takes_it;
}

}  // namespace pebbles::rest
