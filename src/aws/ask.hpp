#pragma once
#include <string>

#include "base/result.hpp"
#include "net/http_client.hpp"

namespace pebbles::aws {

/// Asks whoever gives credentials: small answers, short patience. Errors: store_unavailable without an answer, or with
/// 429 or 5xx. Any other status is the caller's to judge.
[[nodiscard]] Result<net::Response> ask(net::HttpClient& client, net::Request request, const std::stop_token& stop);

}  // namespace pebbles::aws
