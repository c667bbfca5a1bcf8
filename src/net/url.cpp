#include "net/url.hpp"

#include <curl/curl.h>

#include <memory>

namespace pebbles::net {
namespace {

using UrlHandle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::optional<std::string> part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return std::nullopt;
  std::string out = text;
  curl_free(text);
  return out;
}

}  // namespace

std::optional<UrlOrigin> origin_of(const std::string& url) {
  const UrlHandle parsed{curl_url(), curl_url_cleanup};
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return std::nullopt;
  auto scheme = part_of(parsed.get(), CURLUPART_SCHEME);
  auto host = part_of(parsed.get(), CURLUPART_HOST);
  if (!scheme || !host) return std::nullopt;
  return UrlOrigin{.scheme = *std::move(scheme), .host = *std::move(host)};
}

bool is_http_url(const std::string& url) {
  const auto origin = origin_of(url);
  return origin && (origin->scheme == "http" || origin->scheme == "https");
}

}  // namespace pebbles::net
