#include "ingress/rest/request_headers.hpp"

#include "base/header_text.hpp"

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

bool prefers_minimal(std::string_view prefer) {
  while (!prefer.empty()) {
    auto preference = next_part(prefer, ',');
    preference = next_part(preference, ';');
    const auto name = next_part(preference, '=');
    if (equal_ignoring_case(name, "return")) return equal_ignoring_case(unquoted(trimmed(preference)), "minimal");
  }
  return false;
}

}  // namespace pebbles::rest
