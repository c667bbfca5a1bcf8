#include "aws/fault.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "json/parser.hpp"

namespace pebbles::aws {
namespace {

// The names that services use, without the ending "Exception" that some of them add.
constexpr std::array<std::string_view, 12> throttling{"BandwidthLimitExceeded",
                                                      "EC2Throttled",
                                                      "KmsThrottled",
                                                      "LimitExceeded",
                                                      "OverLimit",
                                                      "PriorRequestNotComplete",
                                                      "RequestLimitExceeded",
                                                      "RequestThrottled",
                                                      "SlowDown",
                                                      "Throttled",
                                                      "Throttling",
                                                      "TooManyRequests"};
constexpr std::array<std::string_view, 10> of_credentials{
    "AuthFailure",  "ExpiredToken",   "InvalidAccessKeyId",    "InvalidClientTokenId", "InvalidSignature",
    "InvalidToken", "RequestExpired", "SignatureDoesNotMatch", "TokenRefreshRequired", "UnrecognizedClient"};
// Denied too, but not for the credentials: rights, the clock, a queue that wants TLS.
constexpr std::array<std::string_view, 10> of_rights{
    "AccessDenied",  "IncompleteSignature", "InvalidSecurity",      "KmsAccessDenied",    "MissingAuthenticationToken",
    "NotAuthorized", "OptInRequired",       "RequestTimeTooSkewed", "UnauthorizedAccess", "UnauthorizedOperation"};
constexpr std::array<std::string_view, 3> passing{"RequestTimeout", "InternalFailure", "ServiceUnavailable"};

bool is_among(std::span<const std::string_view> names, std::string_view code) {
  constexpr std::string_view ending = "Exception";
  if (code.ends_with(ending)) code.remove_suffix(ending.size());
  return std::ranges::find(names, code) != names.end();
}

FaultKind kind_of(int status, std::string_view code) {
  constexpr int unauthorized = 401;
  constexpr int forbidden = 403;
  constexpr int request_timeout = 408;
  constexpr int too_many = 429;
  constexpr int server = 500;
  if (status == too_many || is_among(throttling, code)) return FaultKind::throttled;
  if (status >= server || status == request_timeout || is_among(passing, code)) return FaultKind::away;
  if (status == unauthorized || status == forbidden || is_among(of_credentials, code) || is_among(of_rights, code))
    return FaultKind::denied;
  return FaultKind::refused;
}

}  // namespace

std::string_view name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::away: return "away";
    case FaultKind::throttled: return "throttled";
    case FaultKind::denied: return "denied";
    case FaultKind::refused: return "refused";
    case FaultKind::cancelled: return "cancelled";
  }
  return "unknown";
}

Fault read_fault(int status, std::string_view body, std::string_view query_error) {
  Fault fault{.status = status};
  simdjson::dom::object object;
  if (json::parse(body).get(object) == simdjson::SUCCESS) {
    fault.code = json::text_in(object, "__type");
    fault.message = json::text_in(object, "message");
    if (fault.message.empty()) fault.message = json::text_in(object, "Message");
  }
  // "com.amazonaws.sqs#QueueDoesNotExist"
  if (const auto hash = fault.code.rfind('#'); hash != fault.code.npos) fault.code.erase(0, hash + 1);
  // "AWS.SimpleQueueService.NonExistentQueue;Sender"
  if (fault.code.empty()) fault.code = query_error.substr(0, query_error.find(';'));
  fault.kind = kind_of(status, fault.code);
  return fault;
}

bool blames_credentials(const Fault& fault) {
  return fault.kind == FaultKind::denied && (fault.code.empty() || is_among(of_credentials, fault.code));
}

}  // namespace pebbles::aws
