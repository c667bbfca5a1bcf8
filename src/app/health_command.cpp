#include <fmt/core.h>

#include "app/commands.hpp"
#include "base/authority.hpp"
#include "net/http_client.hpp"

namespace pebbles::app {
namespace {

std::string local_url(const Config& config) {
  const auto host = config.host_or_default();
  return fmt::format("http://{}/readyz", authority_of(reachable_host(host), config.port));
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
