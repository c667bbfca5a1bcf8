#include "ingress/rest/report_progress.hpp"

#include <memory>

#include "admission/media_type.hpp"
#include "admission/update.hpp"
#include "base/crash_point.hpp"
#include "http/exchange.hpp"
#include "ingest/file_ids.hpp"
#include "ingress/rest/ack_sink.hpp"
#include "ingress/rest/answers.hpp"
#include "ingress/rest/make_pending.hpp"
#include "ingress/rest/report_batch.hpp"
#include "ingress/rest/request_checks.hpp"
#include "ingress/rest/request_headers.hpp"
#include "telemetry/ingest_metrics.hpp"

namespace pebbles::rest {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

/// Nullopt when there is none. Adds to `faults` what is wrong with it.
std::optional<std::string> key_of(const Exchange& exchange, const std::string& event_id, admission::Faults& faults) {
  auto key = key_in(exchange);
  if (key && *key && !event_id.empty() && event_id != **key)
    key = std::unexpected{"Idempotency-Key and eventId differ"};
  if (!key) {
    faults.push_back({.detail = std::string{key.error()}, .pointer = {}});
    return std::nullopt;
  }
  if (!*key && !event_id.empty()) return event_id;
  return *std::move(key);
}

constexpr Content json{.is_right = admission::is_json, .name = http::json_type};

class ReportProgress {
 public:
  ReportProgress(http::Executor executor, const RestParts& parts, std::shared_ptr<access::Guard> guard)
      : parts_{parts}, guard_{std::move(guard)}, sink_{executor} {}

  Task<Response> post(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    auto by = co_await guard_->admit(exchange, exchange.capture(0));
    if (!by) co_return std::move(by).error();
    if (auto wrong = judge_head(exchange, parts_.client_rule, json)) co_return failed(exchange, *std::move(wrong));
    auto only_if = precondition_in(exchange);
    if (!only_if) co_return failed(exchange, malformed(only_if.error()));
    const auto body = co_await exchange.read_body(admission::update_bytes_max);
    if (!body) co_return failed(exchange, body.error());
    auto pending = read_update(exchange, *body);
    if (!pending) co_return failed(exchange, answer_of(pending.error()));
    const auto stream = pending->stream;
    exchange.note(*stream.client, *stream.filename);
    auto& report = std::get<domain::Report>(*pending->command);
    report.by = *std::move(by);
    report.only_if = *std::move(only_if);
    report.at = parts_.clock.now();
    report.id_if_new = ids_.next(report.at);
    const auto ticket = sink_.take_ticket();
    pending->ack = {sink_, ticket};
    PEBBLES_CRASH_POINT("after-parse");
    if (auto refused = parts_.ingest.submit(*std::move(pending))) {
      (void)refused->ack.release();
      sink_.give_back(ticket);
      telemetry::update_failed(exchange.capture(0), telemetry::UpdateFailure::unavailable);
      co_return overloaded();
    }
    const auto outcome = co_await sink_.wait(ticket);
    if (is_precondition_failed(outcome)) co_return precondition_failed(exchange);
    co_return answer_of(
        outcome, stream,
        {.minimal = prefers_minimal(exchange.combined_header("Prefer")), .items_max = parts_.items_max});
  }

 private:
  static std::expected<ingest::Pending, admission::Faults> read_update(const Exchange& exchange,
                                                                       std::string_view body) {
    auto parsed = admission::parse_update(body);
    admission::Faults faults;
    if (auto* found = std::get_if<admission::Faults>(&parsed)) faults = std::move(*found);
    auto* update = std::get_if<admission::Update>(&parsed);
    const auto key = key_of(exchange, update != nullptr ? update->event_id : std::string{}, faults);
    if (!faults.empty()) return std::unexpected{std::move(faults)};
    return make_pending(domain::ClientKrn{std::string{exchange.capture(0)}}, std::move(*update), key);
  }

  RestParts parts_;
  std::shared_ptr<access::Guard> guard_;
  LoopSink sink_;
  ingest::FileIds ids_;
};

}  // namespace

void add_routes(http::Loop& loop, const RestParts& parts, const std::shared_ptr<access::Guard>& guard) {
  auto reports = std::make_shared<ReportProgress>(loop.executor(), parts, guard);
  loop.router().add("POST", "/clients/{clientKrn}/progress",
                    [reports](Exchange& exchange) { return reports->post(exchange); });
  add_batch_route(loop, parts, guard);
}

}  // namespace pebbles::rest
