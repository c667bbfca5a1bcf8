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
  int status = 0;         ///< of HTTP; 0 without an answer
  std::string code{};     ///< the service's name for it, e.g. "QueueDoesNotExist"; empty when it gave none
  std::string message{};  ///< for the log
};

/// What an answer of AWS JSON with another status than 2xx means. `query_error` is its header `x-amzn-query-error`,
/// which names the code when the body does not.
[[nodiscard]] Fault read_fault(int status, std::string_view body, std::string_view query_error);

/// Whether other credentials could help: these have expired, are unknown, or do not fit each other. False for those
/// that are good and lack a right.
[[nodiscard]] bool blames_credentials(const Fault& fault);

}  // namespace pebbles::aws
