#include "net/http_get.hpp"

#include <curl/curl.h>
#include <fmt/core.h>

#include <memory>
#include <mutex>

namespace pebbles::net {
namespace {

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

struct Body {
  std::string text;
  std::size_t bytes_max = 0;
};

std::size_t append(char* data, std::size_t size, std::size_t count, void* to) {
  auto& body = *static_cast<Body*>(to);
  const std::size_t bytes = size * count;
  if (body.text.size() + bytes > body.bytes_max) return 0;  // ends the transfer
  body.text.append(data, bytes);
  return bytes;
}

void start_library() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

std::unexpected<Error> failed(std::string why) { return failure(Errc::store_unavailable, std::move(why)); }

}  // namespace

Result<std::string> http_get(const GetOptions& options) {
  start_library();
  const Handle curl{curl_easy_init(), curl_easy_cleanup};
  if (!curl) return failed("no memory");
  Body body{.text = {}, .bytes_max = options.body_bytes_max};
  auto* handle = curl.get();
  curl_easy_setopt(handle, CURLOPT_URL, options.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "pebbles");
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &body);
  const auto code = curl_easy_perform(handle);
  if (code == CURLE_WRITE_ERROR)
    return failed(fmt::format("the answer is longer than {} bytes", options.body_bytes_max));
  if (code != CURLE_OK) return failed(curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  constexpr long ok = 200;
  if (status != ok) return failed(fmt::format("the answer has status {}", status));
  return std::move(body.text);
}

bool is_http_url(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed{curl_url(), curl_url_cleanup};
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return false;
  char* scheme = nullptr;
  if (curl_url_get(parsed.get(), CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK) return false;
  const std::string name = scheme;
  curl_free(scheme);
  return name == "http" || name == "https";
}

}  // namespace pebbles::net
