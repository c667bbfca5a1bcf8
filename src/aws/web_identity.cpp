#include "aws/web_identity.hpp"

#include <fmt/core.h>

#include <utility>

#include "aws/ask.hpp"
#include "aws/credentials_document.hpp"
#include "aws/credentials_sources.hpp"
#include "aws/endpoint.hpp"
#include "aws/settings.hpp"
#include "net/url.hpp"

namespace pebbles::aws {
namespace {

/// As forms want it: everything but letters, digits and -._~ as %XX.
std::string form_encoded(std::string_view text) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (plain.find(c) != plain.npos)
      out.push_back(c);
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Result<std::string> endpoint_of(const Environment& environment, std::string_view region) {
  for (const auto* name : {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"}) {
    auto url = value_of(environment, name);
    if (url.empty()) continue;
    if (!net::is_http_url(url)) return failure(Errc::forbidden, fmt::format("{} is no http or https URL", name));
    if (!url.ends_with('/')) url += '/';
    return url;
  }
  return default_endpoint("sts", region) + '/';
}

std::string form_of(const WebIdentity& identity, std::string_view token) {
  return fmt::format(
      "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={}&WebIdentityToken={}",
      form_encoded(identity.role_arn), form_encoded(identity.session_name.empty() ? "pebbles" : identity.session_name),
      form_encoded(token));
}

}  // namespace

Result<Credentials> exchange(const WebIdentity& identity, const Environment& environment, std::string_view region,
                             const std::stop_token& stop) {
  PEBBLES_TRY(endpoint, endpoint_of(environment, region));
  PEBBLES_TRY(token, read_token_file(identity.token_file));
  const auto form = form_of(identity, token);
  net::HttpClient client;
  PEBBLES_TRY(answer,
              ask(client,
                  {.method = net::Method::post,
                   .url = endpoint,
                   .headers = {{.name = "Content-Type", .value = "application/x-www-form-urlencoded; charset=utf-8"}},
                   .body = form},
                  stop));
  constexpr int ok = 200;
  if (answer.status != ok)
    return failure(Errc::forbidden,
                   fmt::format("{}: status {} {}", endpoint, answer.status, read_sts_error_code(answer.body)));
  auto credentials = read_sts_credentials(answer.body);
  if (!credentials) return failure(Errc::forbidden, fmt::format("{}: {}", endpoint, credentials.error().detail));
  return credentials;
}

MaybeCredentials from_web_identity(const Environment& environment, std::string_view region,
                                   const std::stop_token& stop) {
  const WebIdentity identity{.token_file = value_of(environment, "AWS_WEB_IDENTITY_TOKEN_FILE"),
                             .role_arn = value_of(environment, "AWS_ROLE_ARN"),
                             .session_name = value_of(environment, "AWS_ROLE_SESSION_NAME")};
  if (identity.token_file.empty()) return std::nullopt;
  if (identity.role_arn.empty())
    return failure(Errc::forbidden, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
  PEBBLES_TRY(credentials, exchange(identity, environment, region, stop));
  return std::move(credentials);
}

}  // namespace pebbles::aws
