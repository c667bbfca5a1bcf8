#include "aws/ask.hpp"

#include <fmt/core.h>

namespace pebbles::aws {

Result<net::Response> ask(net::HttpClient& client, net::Request request, const std::stop_token& stop) {
  request.body_bytes_max = 64UL << 10U;
  auto answer = client.perform(request, stop);
  if (!answer) return failure(Errc::store_unavailable, fmt::format("{}: {}", request.url, answer.error().why));
  constexpr int too_many = 429;
  constexpr int server = 500;
  if (answer->status == too_many || answer->status >= server)
    return failure(Errc::store_unavailable, fmt::format("{}: status {}", request.url, answer->status));
  return *std::move(answer);
}

}  // namespace pebbles::aws
