#include "aws/json_client.hpp"

#include <fmt/core.h>

#include <utility>

#include "net/http_client.hpp"

namespace pebbles::aws {
namespace {

// Ten messages of SQS may have 1 MiB together; as JSON strings each byte may become six.
constexpr std::size_t answer_bytes_max = 16UL << 20U;

std::unexpected<Fault> without_credentials(Error error) {
  const auto kind = error.code == Errc::store_unavailable ? FaultKind::away : FaultKind::denied;
  return std::unexpected{Fault{.kind = kind, .message = "no credentials: " + std::move(error.detail)}};
}

std::unexpected<Fault> cancelled() {
  return std::unexpected{Fault{.kind = FaultKind::cancelled, .message = "stopped"}};
}

net::Request request_of(const Service& service, std::string_view action, std::string_view body,
                        const Credentials& credentials) {
  net::Request request{.method = net::Method::post, .url = service.endpoint, .body = body};
  if (!request.url.ends_with('/')) request.url += '/';
  // No other header may join them: libcurl signs all, and gets the order of some wrong.
  request.headers.push_back({.name = "Content-Type", .value = "application/x-amz-json-1.0"});
  if (!credentials.session_token.empty())
    request.headers.push_back({.name = "X-Amz-Security-Token", .value = credentials.session_token});
  request.headers.push_back({.name = "X-Amz-Target", .value = fmt::format("{}.{}", service.target_prefix, action)});
  request.signature = net::AwsSignature{.region = service.region,
                                        .service = service.name,
                                        .access_key_id = credentials.access_key_id,
                                        .secret_access_key = credentials.secret_access_key};
  return request;
}

}  // namespace

JsonClient::JsonClient(Service service, std::shared_ptr<CredentialsProvider> credentials)
    : service_{std::move(service)}, credentials_{std::move(credentials)}, http_{std::make_unique<net::HttpClient>()} {}
JsonClient::~JsonClient() = default;

std::expected<std::string, Fault> JsonClient::call(std::string_view action, std::string_view body,
                                                   std::chrono::milliseconds timeout, const std::stop_token& stop) {
  const auto credentials = credentials_->get(stop);
  if (stop.stop_requested()) return cancelled();
  if (!credentials) return without_credentials(credentials.error());

  auto request = request_of(service_, action, body, *credentials);
  constexpr std::chrono::milliseconds connect_timeout{5000};
  request.connect_timeout = std::min(connect_timeout, timeout);
  request.timeout = timeout;
  request.body_bytes_max = answer_bytes_max;
  auto answer = http_->perform(request, stop);
  if (!answer) {
    if (answer.error().cancelled) return cancelled();
    return std::unexpected{Fault{.kind = FaultKind::away, .message = std::move(answer.error().why)}};
  }
  constexpr int ok = 200;
  constexpr int redirect = 300;
  if (answer->status >= ok && answer->status < redirect) return std::move(answer->body);
  auto fault = read_fault(answer->status, answer->body, answer->header("x-amzn-query-error"));
  if (blames_credentials(fault)) credentials_->refused(*credentials);
  return std::unexpected{std::move(fault)};
}

}  // namespace pebbles::aws
