#include "ingress/rest/report_progress.hpp"

#include <memory>

#include "admission/media_type.hpp"
#include "admission/update.hpp"
#include "base/crash_point.hpp"
#include "base/header_text.hpp"
#include "http/exchange.hpp"
#include "ingest/file_ids.hpp"
#include "ingress/rest/ack_sink.hpp"
#include "ingress/rest/answers.hpp"
#include "ingress/rest/request_headers.hpp"
#include "telemetry/ingest_metrics.hpp"

namespace pebbles::rest {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

/// Nullopt when there is none. Adds to `faults` what is wrong with it.
std::optional<std::string> key_of(const Exchange& exchange, const std::string& event_id, admission::Faults& faults) {
  const auto headers = exchange.header_count("Idempotency-Key");
  if (headers == 0) return event_id.empty() ? std::nullopt : std::optional{event_id};
  const auto refuse = [&faults](std::string_view why) {
    faults.push_back({.detail = std::string{why}, .pointer = {}});
    return std::nullopt;
  };
  if (headers > 1) return refuse("Idempotency-Key is given more than once");
  auto key = read_idempotency_key(exchange.header("Idempotency-Key"));
  if (!key) return refuse(key.error());
  if (!admission::is_valid_key(*key))
    return refuse("Idempotency-Key must be 1 to 256 bytes without control characters");
  if (!event_id.empty() && event_id != *key) return refuse("Idempotency-Key and eventId differ");
  return *std::move(key);
}

class ReportProgress {
 public:
  ReportProgress(http::Executor executor, const RestParts& parts, std::shared_ptr<access::Guard> guard)
      : parts_{parts}, guard_{std::move(guard)}, sink_{executor} {}

  Task<Response> post(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    auto by = co_await guard_->admit(exchange, exchange.capture(0));
    if (!by) co_return std::move(by).error();
    if (auto wrong = judge_head(exchange)) co_return failed(exchange, *std::move(wrong));
    const auto body = co_await exchange.read_body(admission::update_bytes_max);
    if (!body) co_return failed(exchange, body.error());
    auto update = read_update(exchange, *body);
    if (!update) co_return failed(exchange, answer_of(update.error()));

    domain::StreamId stream{.client = domain::ClientKrn{std::string{exchange.capture(0)}},
                            .filename = std::move(update->filename)};
    exchange.note(*stream.client, *stream.filename);
    update->report.by = *std::move(by);
    const auto ticket = sink_.take_ticket();
    ingest::Pending pending{.stream = stream, .command = std::move(update->report), .ack = {sink_, ticket}};
    PEBBLES_CRASH_POINT("after-parse");
    if (auto refused = parts_.ingest.submit(std::move(pending))) {
      (void)refused->ack.release();
      sink_.give_back(ticket);
      telemetry::update_failed(exchange.capture(0), telemetry::UpdateFailure::unavailable);
      co_return overloaded();
    }
    const auto outcome = co_await sink_.wait(ticket);
    co_return answer_of(
        outcome, stream,
        {.minimal = prefers_minimal(exchange.combined_header("Prefer")), .items_max = parts_.items_max});
  }

 private:
  struct NewReport {
    domain::Filename filename;
    domain::Report report;
  };

  /// The client of a valid token has sent what can never be counted.
  static Response failed(const Exchange& exchange, Response response) {
    telemetry::update_failed(exchange.capture(0), telemetry::UpdateFailure::invalid);
    return response;
  }

  std::optional<Response> judge_head(const Exchange& exchange) const {
    if (!parts_.client_rule.accepts(exchange.capture(0)))
      return answer_of(admission::Faults{{.detail = "clientKrn is not a valid client name", .pointer = {}}});
    const auto encoding = exchange.combined_header("Content-Encoding");
    if (exchange.header_count("Content-Type") > 1 || !admission::is_json(exchange.header("Content-Type")) ||
        (!encoding.empty() && !equal_ignoring_case(encoding, "identity")))
      return http::problem(415, "Content-Type must be application/json, in UTF-8 and not compressed");
    return std::nullopt;
  }

  std::expected<NewReport, admission::Faults> read_update(const Exchange& exchange, std::string_view body) {
    auto parsed = admission::parse_update(body);
    admission::Faults faults;
    if (auto* found = std::get_if<admission::Faults>(&parsed)) faults = std::move(*found);
    auto* update = std::get_if<admission::Update>(&parsed);
    const auto key = key_of(exchange, update != nullptr ? update->event_id : std::string{}, faults);
    if (!faults.empty()) return std::unexpected{std::move(faults)};
    const auto now = parts_.clock.now();
    NewReport out;
    if (key) out.report.key = admission::make_key("p:", *key, update->what);
    out.filename = std::move(update->filename);
    out.report.channel = domain::Channel::rest;
    out.report.at = now;
    out.report.what = std::move(update->what);
    out.report.id_if_new = ids_.next(now);
    return out;
  }

  RestParts parts_;
  std::shared_ptr<access::Guard> guard_;
  LoopSink sink_;
  ingest::FileIds ids_;
};

}  // namespace

void add_routes(http::Loop& loop, const RestParts& parts, std::shared_ptr<access::Guard> guard) {
  auto reports = std::make_shared<ReportProgress>(loop.executor(), parts, std::move(guard));
  loop.router().add("POST", "/clients/{clientKrn}/progress",
                    [reports](Exchange& exchange) { return reports->post(exchange); });
}

}  // namespace pebbles::rest
