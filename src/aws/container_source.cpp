#include <fmt/core.h>

#include "aws/ask.hpp"
#include "aws/container_endpoint.hpp"
#include "aws/credentials_document.hpp"
#include "aws/credentials_sources.hpp"
#include "aws/settings.hpp"

namespace pebbles::aws {
namespace {

/// Read at each fetch: the file's token is replaced while we run. Empty: none is asked for.
Result<std::string> authorization(const Environment& environment) {
  const auto path = value_of(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  auto token = path.empty() ? value_of(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN") : std::string{};
  if (!path.empty()) {
    PEBBLES_TRY(of_file, read_token_file(path));
    token = std::move(of_file);
  }
  if (token.find_first_of("\r\n") != token.npos)
    return failure(Errc::forbidden, "the container's authorization token has a line break in it");
  return token;
}

}  // namespace

MaybeCredentials from_container(const Environment& environment, const std::stop_token& stop) {
  PEBBLES_TRY(endpoint, container_endpoint(environment));
  if (!endpoint) return std::nullopt;
  PEBBLES_TRY(token, authorization(environment));
  net::Request request{.url = *endpoint,
                       .headers = {{.name = "Accept", .value = "application/json"}},
                       .proxied = false,
                       .connect_timeout = std::chrono::milliseconds{1000},
                       .timeout = std::chrono::milliseconds{2000}};
  if (!token.empty()) request.headers.push_back({.name = "Authorization", .value = token});
  net::HttpClient client;
  PEBBLES_TRY(answer, ask(client, std::move(request), stop));
  constexpr int ok = 200;
  if (answer.status != ok) return failure(Errc::forbidden, fmt::format("{}: status {}", *endpoint, answer.status));
  auto credentials = read_credentials_json(answer.body);
  if (!credentials)
    return failure(credentials.error().code, fmt::format("{}: {}", *endpoint, credentials.error().detail));
  return *std::move(credentials);
}

}  // namespace pebbles::aws
