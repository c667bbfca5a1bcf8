#include "net/http_get.hpp"

#include <fmt/core.h>

#include "net/http_client.hpp"

namespace pebbles::net {

Result<std::string> http_get(const GetOptions& options) {
  HttpClient client;
  auto answer = client.perform({.url = options.url,
                                .connect_timeout = options.connect_timeout,
                                .timeout = options.timeout,
                                .body_bytes_max = options.body_bytes_max},
                               options.stop);
  if (!answer) return failure(Errc::store_unavailable, std::move(answer.error().why));
  constexpr int ok = 200;
  if (answer->status != ok)
    return failure(Errc::store_unavailable, fmt::format("the answer has status {}", answer->status));
  return std::move(answer->body);
}

}  // namespace pebbles::net
