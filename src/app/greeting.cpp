#include "app/greeting.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "app/version.hpp"
#include "base/authority.hpp"

namespace pebbles::app {
namespace {

std::string url_on_this_host(const Config& config, std::uint16_t port) {
  const auto host = config.host_or_default();
  return "http://" + authority_of(reachable_host(host), port);
}

/// At once: whoever started the server may wait for it behind a pipe. One that was closed is no reason to end.
void print_at_once(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

/// How to mint a token, and to report and read. The secret is where the server has it from, not on a command line.
std::string first_steps(const Config& config, const std::string& url) {
  std::error_code unknown;
  auto program = std::filesystem::read_symlink("/proc/self/exe", unknown).string();
  if (unknown) program = "pebbles";
  const auto dir = std::filesystem::absolute(config.embedded_dir).lexically_normal().string();
  const bool has_own_key = config.jwt_secret.empty();
  return fmt::format(R"(
Mint a token{}:

  TOKEN=$('{}' token {}--email you@example.com)

Report progress, and look at it:

  curl {}/clients/krn:acme:client:123/progress \
    -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -H 'Idempotency-Key: "run-1/1"' \
    -d '{{"filename":"sales.csv","counts":{{"done":500,"warn":2,"failed":1}},"total":10000}}'

  curl '{}/clients/krn:acme:client:123/progress?filename=sales.csv'

Everything is kept in {}. Ctrl-C stops the server.
)",
                     has_own_key ? "" : ", where JWT_SECRET or JWT_SECRET_FILE is set as it is for the server", program,
                     has_own_key ? fmt::format("--embedded '{}' ", dir) : "", url, url, dir);
}

}  // namespace

void greet(const Config& config, std::uint16_t port, std::optional<std::uint16_t> metrics_port) {
  const auto url = url_on_this_host(config, port);
  auto text = fmt::format("Pebbles {} listens on {}\n", version, url);
  if (metrics_port) text += fmt::format("Metrics are at {}/metrics\n", url_on_this_host(config, *metrics_port));
  const bool others_mint =
      config.jwt_secret.empty() && (!config.jwt_jwks_url.empty() || !config.jwt_public_key_file.empty());
  if (!config.embedded_dir.empty() && !others_mint) text += first_steps(config, url);
  print_at_once(text);
}

}  // namespace pebbles::app
