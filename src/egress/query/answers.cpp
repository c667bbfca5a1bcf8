#include "egress/query/answers.hpp"

#include "telemetry/telemetry.hpp"

namespace pebbles::query {

using http::Exchange;
using http::Response;

Response invalid(std::string_view what) { return http::problem(400, "Invalid parameters: " + std::string{what}); }

Response read_failure(const Error& error) {
  telemetry::read_failed(error.detail);
  if (error.code == Errc::store_unavailable) return http::try_later("The store is not available");
  return http::problem(500, "Internal error");
}

http::Task<std::optional<Response>> deny(const std::shared_ptr<access::Guard>& guard, const Exchange& exchange) {
  if (!guard) co_return std::nullopt;
  auto reader = co_await guard->admit(exchange, exchange.capture(0));
  if (reader) co_return std::nullopt;
  co_return std::move(reader).error();
}

std::optional<Response> judge_client(const admission::ClientKrnRule& rule, const Exchange& exchange) {
  if (rule.accepts(exchange.capture(0))) return std::nullopt;
  return invalid("clientKrn is not a valid client name");
}

}  // namespace pebbles::query
