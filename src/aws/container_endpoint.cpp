#include "aws/container_endpoint.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "aws/settings.hpp"
#include "net/url.hpp"

namespace pebbles::aws {
namespace {

constexpr std::array<std::string_view, 5> trusted_hosts{"localhost", "[::1]", "169.254.170.2", "169.254.170.23",
                                                        "[fd00:ec2::23]"};

bool is_trusted(const std::string& host) {
  constexpr std::uint32_t loopback = 127;  // 127.0.0.0/8
  constexpr unsigned first_byte = 24;
  in_addr address{};
  if (inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> first_byte == loopback) return true;
  return std::ranges::find(trusted_hosts, host) != trusted_hosts.end();
}

}  // namespace

Result<std::optional<std::string>> container_endpoint(const Environment& environment) {
  const auto relative = value_of(environment, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!relative.empty()) {
    // Without the slash the text would go on with the host's name: 169.254.170.2.example.com.
    if (!relative.starts_with('/'))
      return failure(Errc::forbidden, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with /");
    return "http://169.254.170.2" + relative;
  }
  auto full = value_of(environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (full.empty()) return std::nullopt;
  const auto origin = net::origin_of(full);
  if (origin && (origin->scheme == "https" || (origin->scheme == "http" && is_trusted(origin->host)))) return full;
  return failure(Errc::forbidden,
                 "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor on this host or a known "
                 "link-local address");
}

}  // namespace pebbles::aws
