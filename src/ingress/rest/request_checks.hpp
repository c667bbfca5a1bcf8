#pragma once
#include <optional>
#include <string_view>

#include "admission/client_krn.hpp"
#include "http/exchange.hpp"

/// What every request with updates is judged by, whose token is good already.
namespace pebbles::rest {

/// What a route takes.
struct Content {
  bool (*is_right)(std::string_view media_type);
  std::string_view name;  ///< of what that is, for people
};

/// What is wrong with its client's name, or its content's type.
[[nodiscard]] std::optional<http::Response> judge_head(const http::Exchange& exchange,
                                                       const admission::ClientKrnRule& client_rule,
                                                       const Content& content);

/// The answer to a client that has sent what can never be counted.
[[nodiscard]] http::Response failed(const http::Exchange& exchange, http::Response response);

/// The same, or to one that was refused for want of room: 503.
[[nodiscard]] http::Response refused(const http::Exchange& exchange, http::Response response);

}  // namespace pebbles::rest
