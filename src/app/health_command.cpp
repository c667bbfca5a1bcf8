#include <fmt/core.h>

#include "app/commands.hpp"
#include "net/http_client.hpp"

namespace pebbles::app {
namespace {

/// Where a process on the same host reaches the server.
std::string local_url(const Config& config) {
  auto host = config.host_or_default();
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  const bool is_v6 = host.find(':') != std::string::npos;
  return fmt::format("http://{}{}{}:{}/readyz", is_v6 ? "[" : "", host, is_v6 ? "]" : "", config.port);
}

}  // namespace

int ask_health(const Config& config, const std::string& url) {
  const auto asked = url.empty() ? local_url(config) : url;
  net::HttpClient client;
  const auto answer = client.perform({.url = asked, .proxied = false});
  if (!answer) {
    fmt::print(stderr, "pebbles: {}: {}\n", asked, answer.error().why);
    return 1;
  }
  constexpr int ok = 200;
  fmt::print(answer->status == ok ? stdout : stderr, "{}\n", answer->body);
  return answer->status == ok ? 0 : 1;
}

}  // namespace pebbles::app
