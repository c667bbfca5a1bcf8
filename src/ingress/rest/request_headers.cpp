#include "ingress/rest/request_headers.hpp"

#include "http/text.hpp"

namespace pebbles::rest {

using http::equal_ignoring_case;
using http::next_part;
using http::trimmed;

namespace {

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') return text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

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

bool is_json(std::string_view content_type) {
  if (!equal_ignoring_case(next_part(content_type, ';'), "application/json")) return false;
  while (!content_type.empty()) {
    auto parameter = next_part(content_type, ';');
    if (!equal_ignoring_case(next_part(parameter, '='), "charset")) continue;
    if (!equal_ignoring_case(unquoted(trimmed(parameter)), "utf-8")) return false;
  }
  return true;
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
