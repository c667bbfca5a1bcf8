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
#include "ingress/rest/reading.hpp"
#include "ingress/rest/report_batch.hpp"
#include "ingress/rest/request_checks.hpp"
#include "ingress/rest/request_headers.hpp"

namespace pebbles::rest {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

/// Nullopt when there is none. Adds to `faults` what is wrong with it. A CloudEvent's id is a key by itself too.
std::optional<std::string> key_of(const Exchange& exchange, const std::string& event_id, const std::string& envelope_id,
                                  admission::Faults& faults) {
  auto key = key_in(exchange);
  if (key && *key && !event_id.empty() && event_id != **key && (envelope_id.empty() || envelope_id != **key))
    key = std::unexpected{"Idempotency-Key and eventId differ"};
  if (!key) {
    faults.push_back({.detail = std::string{key.error()}, .pointer = {}});
    return std::nullopt;
  }
  if (!*key && !event_id.empty()) return event_id;
  return *std::move(key);
}

constexpr Content json{
    .is_right = [](std::string_view type) { return admission::is_json(type) || admission::is_json_event(type); },
    .name = http::json_type};

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
    std::string requester = **by;
    const auto body = co_await exchange.read_body(admission::update_bytes_max, &parts_.bodies, std::move(requester));
    if (!body) co_return refused(exchange, body.error());
    std::variant<admission::Update, admission::Faults> parsed;
    http::FairBudget::Share share;  // until it has its outcome
    if (body->size() <= unbudgeted_bytes_max) {
      parsed = admission::parse_update(*body);
    } else {
      auto parse = [text = *body] { return admission::parse_update(text); };
      ReadingParts reading{.pool = parts_.pool, .bodies = parts_.bodies, .requester = **by};
      auto read = co_await read_with_room(std::move(reading), body->size(), admission::parsed_bytes_max(body->size()),
                                          std::move(parse));
      if (!read) co_return refused(exchange, overloaded());
      parsed = std::move(read->value);
      share = std::move(read->share);
      exchange.drop_body();
    }
    auto pending = pending_of(exchange, std::move(parsed));
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
    if (auto back = parts_.ingest.submit(*std::move(pending))) {
      (void)back->ack.release();
      sink_.give_back(ticket);
      co_return refused(exchange, overloaded());
    }
    const auto outcome = co_await sink_.wait(ticket);
    if (is_precondition_failed(outcome)) co_return precondition_failed(exchange);
    co_return answer_of(
        outcome, stream,
        {.minimal = prefers_minimal(exchange.combined_header("Prefer")), .items_max = parts_.items_max});
  }

 private:
  static std::expected<ingest::Pending, admission::Faults> pending_of(
      const Exchange& exchange, std::variant<admission::Update, admission::Faults> parsed) {
    admission::Faults faults;
    if (auto* found = std::get_if<admission::Faults>(&parsed)) faults = std::move(*found);
    auto* update = std::get_if<admission::Update>(&parsed);
    static const std::string none;
    const auto key = key_of(exchange, update != nullptr ? update->event_id : none,
                            update != nullptr ? update->envelope_id : none, faults);
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
