#include "ingress/rest/request_checks.hpp"

#include "ingress/rest/answers.hpp"
#include "ingress/rest/request_headers.hpp"
#include "telemetry/ingest_metrics.hpp"

namespace pebbles::rest {

std::optional<http::Response> judge_head(const http::Exchange& exchange, const admission::ClientKrnRule& client_rule,
                                         const Content& content) {
  if (!client_rule.accepts(exchange.capture(0)))
    return answer_of(admission::Faults{{.detail = "clientKrn is not a valid client name", .pointer = {}}});
  if (!has_plain_body(exchange) || !content.is_right(exchange.header("Content-Type")))
    return http::problem(415, "Content-Type must be " + std::string{content.name} + ", in UTF-8 and not compressed");
  return std::nullopt;
}

http::Response failed(const http::Exchange& exchange, http::Response response) {
  telemetry::update_failed(exchange.capture(0), telemetry::UpdateFailure::invalid);
  return response;
}

http::Response refused(const http::Exchange& exchange, http::Response response) {
  telemetry::update_failed(exchange.capture(0), response.status == 503 ? telemetry::UpdateFailure::unavailable
                                                                       : telemetry::UpdateFailure::invalid);
  return response;
}

}  // namespace pebbles::rest
