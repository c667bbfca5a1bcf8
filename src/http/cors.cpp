#include "http/cors.hpp"

#include <algorithm>
#include <boost/url/parse.hpp>

#include "base/header_text.hpp"

namespace pebbles::http {
namespace {

/// What a page may read besides the few headers that it always may.
constexpr std::string_view exposed =
    "Content-Disposition, ETag, Idempotent-Replayed, Link, Preference-Applied, Retry-After, WWW-Authenticate, "
    "X-Request-Id";
/// What it may send besides those.
constexpr std::string_view accepted =
    "Authorization, baggage, Cache-Control, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, "
    "sentry-trace, "
    "traceparent, tracestate, X-Request-Id";
constexpr std::string_view preflight_age_s = "7200";  // the longest that Chromium keeps one

/// Scheme, host and port as a browser writes them (RFC 6454, section 6.2): no path, nothing in upper case.
bool is_origin(std::string_view text) {
  const auto url = boost::urls::parse_uri({text.data(), text.size()});
  return url && (url->scheme() == "http" || url->scheme() == "https") && !url->encoded_host().empty() &&
         url->encoded_path().empty() && !url->has_query() && !url->has_fragment() && !url->has_userinfo() &&
         std::ranges::none_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

std::optional<CorsPolicy> CorsPolicy::parse(std::string_view text) {
  CorsPolicy out;
  if (text == "*") return out;
  out.any_ = false;
  if (text == "none") return out;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const auto origin = next_part(text, ',');
    if (!is_origin(origin)) return std::nullopt;
    out.origins_.emplace_back(origin);
  }
  return out;
}

bool CorsPolicy::allows(std::string_view origin) const {
  return !origin.empty() && (any_ || std::ranges::find(origins_, origin) != origins_.end());
}

void CorsPolicy::allow(Response& response, std::string_view origin) const {
  if (!any_ && !origins_.empty()) add_header(response, "Vary", "Origin");
  if (!allows(origin)) return;
  add_header(response, "Access-Control-Allow-Origin", any_ ? "*" : origin);
  add_header(response, "Access-Control-Expose-Headers", exposed);
}

void CorsPolicy::allow_preflight(Response& response, std::string_view origin, std::string_view methods) const {
  if (!any_ && !origins_.empty()) add_header(response, "Vary", "Origin");
  if (!allows(origin)) return;
  add_header(response, "Access-Control-Allow-Origin", any_ ? "*" : origin);
  add_header(response, "Access-Control-Allow-Methods", methods);
  add_header(response, "Access-Control-Allow-Headers", accepted);
  add_header(response, "Access-Control-Max-Age", preflight_age_s);
}

}  // namespace pebbles::http
