#include "ingress/rest/request_headers.hpp"

#include "admission/update.hpp"
#include "base/header_text.hpp"
#include "base/result.hpp"
#include "ingress/rest/answers.hpp"

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

std::optional<domain::TagList> read_tag_list(std::string_view value, Comparison comparison) {
  domain::TagList out;
  auto rest = trimmed(value);
  if (rest == "*") {
    out.any = true;
    return out;
  }
  bool has_tag = false;
  while (!rest.empty()) {
    if (rest.starts_with(',')) {  // an empty element counts as none (section 5.6.1.2)
      rest = trimmed(rest.substr(1));
      continue;
    }
    const bool is_weak = rest.starts_with("W/");
    if (is_weak) rest.remove_prefix(2);
    const auto end = rest.starts_with('"') ? rest.find('"', 1) : rest.npos;  // a tag may hold commas, but no quote
    if (end == rest.npos) return std::nullopt;
    has_tag = true;
    if (const auto tag = domain::read_state_tag(rest.substr(1, end - 1));
        tag && !(is_weak && comparison == Comparison::strong))
      out.tags.push_back(*tag);
    rest = trimmed(rest.substr(end + 1));
    if (!rest.empty() && !rest.starts_with(',')) return std::nullopt;
  }
  if (!has_tag) return std::nullopt;
  return out;
}

bool has_precondition(const http::Exchange& exchange) {
  return exchange.header_count("If-Match") > 0 || exchange.header_count("If-None-Match") > 0;
}

std::expected<std::shared_ptr<const domain::Precondition>, std::string_view> precondition_in(
    const http::Exchange& exchange) {
  if (!has_precondition(exchange)) return nullptr;
  auto out = std::make_shared<domain::Precondition>();
  if (exchange.header_count("If-Match") > 0) {
    out->if_match = read_tag_list(exchange.combined_header("If-Match"), Comparison::strong);
    if (!out->if_match) return std::unexpected{"If-Match must be * or a list of entity tags in double quotes"};
  }
  if (exchange.header_count("If-None-Match") > 0) {
    out->if_none_match = read_tag_list(exchange.combined_header("If-None-Match"), Comparison::weak);
    if (!out->if_none_match)
      return std::unexpected{"If-None-Match must be * or a list of entity tags in double quotes"};
  }
  return out;
}

http::Response precondition_failed(const http::Exchange& exchange) {
  if (!exchange.combined_header("If-Match").contains("W/"))
    return answer_of(ingest::Refused{domain::Rejection::precondition_failed}, {}, {});
  return http::problem(412,
                       "The file is not in the state that If-Match asks for. A weak tag never matches: send it without "
                       "W/ in front");
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
