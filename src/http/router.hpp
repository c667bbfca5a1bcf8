#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/response.hpp"
#include "http/task.hpp"
#include "telemetry/http_metrics.hpp"

namespace pebbles::http {

class Exchange;

/// Answers one request on its loop's thread; never blocks it. An exception becomes a bare 500. The handler outlives
/// each call. Write it as a function that calls a member coroutine: a coroutine lambda's captures die with the lambda.
using Handler = std::function<Task<Response>(Exchange&)>;

/// Finds the handler of a method and path. Filled before its loop starts, then read only. Threads: its loop's.
class Router {
 public:
  struct Match {
    const Handler* handler = nullptr;
    telemetry::HttpRoute* route = nullptr;   ///< where its answers are counted; there with a handler
    std::vector<std::string_view> captures;  ///< what stands at each `{…}`, decoded; lives as long as the path
    std::string allow;                       ///< without a handler: the methods that this path has, "" for no path
  };

  /// `pattern` is like "/clients/{clientKrn}/progress"; a name in braces, which is for people, stands for one whole,
  /// possibly empty, segment. GET serves HEAD too, and every path OPTIONS.
  void add(std::string method, std::string_view pattern, Handler handler);

  /// All methods that any path has.
  [[nodiscard]] std::string methods() const;

  /// Where answers are counted that no handler gave.
  [[nodiscard]] telemetry::HttpRoute& no_route() { return *no_route_; }

  [[nodiscard]] Match find(std::string_view method, const std::vector<std::string>& path) const;

 private:
  using Segment = std::optional<std::string>;  ///< nullopt: anything, which is captured
  static bool fits(const std::vector<Segment>& pattern, const std::vector<std::string>& path);
  struct Route {
    std::string method;
    std::vector<Segment> pattern;
    Handler handler;
    std::unique_ptr<telemetry::HttpRoute> seen;
  };
  std::vector<Route> routes_;
  std::unique_ptr<telemetry::HttpRoute> no_route_ = std::make_unique<telemetry::HttpRoute>("(any)", "(none)");
};

}  // namespace pebbles::http
