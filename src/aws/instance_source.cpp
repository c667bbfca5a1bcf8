#include <fmt/core.h>

#include "aws/ask.hpp"
#include "aws/credentials_document.hpp"
#include "aws/credentials_sources.hpp"
#include "aws/settings.hpp"
#include "base/header_text.hpp"

namespace pebbles::aws {
namespace {

constexpr int ok = 200;
constexpr int not_found = 404;

std::string endpoint_of(const Environment& environment) {
  auto endpoint = value_of(environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (!endpoint.empty()) return endpoint;
  const bool ipv6 = equal_ignoring_case(value_of(environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "ipv6");
  return ipv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
}

/// The text of the first line, if it can stand in a header or a path.
std::string first_line(std::string_view text) {
  return std::string{trimmed(text.substr(0, text.find_first_of("\r\n")))};
}

/// Elsewhere than on EC2 nobody answers: each of the three requests waits a second at most.
net::Request request_for(std::string url) {
  constexpr std::chrono::milliseconds timeout{1000};
  return {.url = std::move(url), .proxied = false, .connect_timeout = timeout, .timeout = timeout};
}

/// A session's token, without which version 2 tells nothing.
Result<std::string> open_session(net::HttpClient& client, const std::string& endpoint, const std::stop_token& stop) {
  auto request = request_for(endpoint + "/latest/api/token");
  request.method = net::Method::put;
  request.headers = {{.name = "X-aws-ec2-metadata-token-ttl-seconds", .value = "21600"}};
  PEBBLES_TRY(answer, ask(client, std::move(request), stop));
  auto token = first_line(answer.body);
  if (answer.status != ok || token.empty())
    return failure(Errc::forbidden, fmt::format("{}: no session of version 2, status {}", endpoint, answer.status));
  return token;
}

}  // namespace

MaybeCredentials from_instance(const Environment& environment, const std::stop_token& stop) {
  if (equal_ignoring_case(value_of(environment, "AWS_EC2_METADATA_DISABLED"), "true")) return std::nullopt;
  const auto endpoint = endpoint_of(environment);
  net::HttpClient client;
  const auto token = open_session(client, endpoint, stop);
  if (!token && token.error().code == Errc::store_unavailable) return std::nullopt;  // not on EC2
  if (!token) return std::unexpected{token.error()};

  const auto get = [&](std::string url) {
    auto request = request_for(std::move(url));
    request.headers = {{.name = "X-aws-ec2-metadata-token", .value = *token}};
    return ask(client, std::move(request), stop);
  };
  const auto list = endpoint + "/latest/meta-data/iam/security-credentials/";
  PEBBLES_TRY(roles, get(list));
  const auto role = first_line(roles.body);
  if (roles.status == not_found || (roles.status == ok && role.empty())) return std::nullopt;  // it has no role
  if (roles.status != ok) return failure(Errc::forbidden, fmt::format("{}: status {}", list, roles.status));
  PEBBLES_TRY(answer, get(list + role));
  if (answer.status != ok) return failure(Errc::forbidden, fmt::format("{}{}: status {}", list, role, answer.status));
  auto credentials = read_credentials_json(answer.body);
  if (!credentials) return failure(Errc::forbidden, fmt::format("{}: {}", endpoint, credentials.error().detail));
  return *std::move(credentials);
}

}  // namespace pebbles::aws
