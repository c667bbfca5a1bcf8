#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace prometheus {
class Histogram;
}

/// What is counted of HTTP. Names are stable; docs/metrics.md lists them. Threads: any.
namespace pebbles::telemetry {

/// One method of one route, which keeps its series so that nothing is looked up for a request. All objects of the same
/// method and route count in the same series.
class HttpRoute {
 public:
  /// `route` is the pattern, never the path: there are only so many series.
  HttpRoute(std::string_view method, std::string_view route) : method_{method}, route_{route} {}

  /// An answer is ready, so long after the request's head was there. Its writing does not count: how fast a client
  /// reads says nothing of the service.
  void answered(int status, std::chrono::steady_clock::duration took);

 private:
  const std::string method_;
  const std::string route_;
  std::array<std::atomic<prometheus::Histogram*>, 6> by_class_{};  ///< of 1xx to 5xx; made when first needed
};

/// There were MAX_CONNECTIONS: so many more were closed unread.
void connections_refused(std::size_t count);

}  // namespace pebbles::telemetry
