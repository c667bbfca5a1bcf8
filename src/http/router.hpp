#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "http/response.hpp"
#include "http/task.hpp"

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
    std::vector<std::string_view> captures;  ///< what stands at each `{}`, decoded; lives as long as the path
    std::string allow;                       ///< without a handler: the methods that this path has, "" for no path
  };

  /// `pattern` is like "/clients/{}/progress"; `{}` stands for one whole, possibly empty, segment. GET serves HEAD too,
  /// and every path OPTIONS.
  void add(std::string method, std::string_view pattern, Handler handler);

  /// All methods that any path has.
  [[nodiscard]] std::string methods() const;

  [[nodiscard]] Match find(std::string_view method, const std::vector<std::string>& path) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> pattern;
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace pebbles::http
