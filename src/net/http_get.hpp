#pragma once
#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>

#include "base/result.hpp"

namespace pebbles::net {

struct GetOptions {
  std::string url;  ///< http or https
  std::chrono::milliseconds connect_timeout{2000};
  std::chrono::milliseconds timeout{5000};  ///< for all of it
  std::size_t body_bytes_max = 1UL << 20U;
  std::stop_token stop{};  ///< ends it at once
};

/// The body that a GET is answered with. Follows no redirects, so that nobody but the configured host decides where it
/// goes; checks TLS certificates against the system's; heeds `https_proxy` and `no_proxy` as libcurl does.
/// Blocks. Threads: any. Errors: store_unavailable, with the reason: no answer, another status than 200, too long.
[[nodiscard]] Result<std::string> http_get(const GetOptions& options);

}  // namespace pebbles::net
