#pragma once
#include <string>
#include <string_view>

namespace pebbles::aws {

/// Why a call failed, as far as the caller's next step depends on it.
enum class FaultKind {
  away,       ///< no answer, a time-out, 5xx: later may be better
  throttled,  ///< too many calls: later, and fewer
  denied,     ///< credentials are missing, wrong, or lack the right
  refused,    ///< any other answer than 2xx: the same request fails again
  cancelled,  ///< the caller asked to stop
};

[[nodiscard]] std::string_view name_of(FaultKind kind);

struct Fault {
  FaultKind kind{};
  int status = 0;       ///< of HTTP; 0 without an answer
  std::string code;     ///< the service's name for it, e.g. "QueueDoesNotExist"; empty when it gave none
  std::string message;  ///< for the log
};

/// What an answer of AWS JSON with another status than 2xx means. `query_error` is the header `x-amzn-query-error`.
[[nodiscard]] Fault read_fault(int status, std::string_view body, std::string_view query_error);

}  // namespace pebbles::aws
