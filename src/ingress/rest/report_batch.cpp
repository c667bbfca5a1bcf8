#include "ingress/rest/report_batch.hpp"

#include <algorithm>
#include <unordered_set>

#include "admission/batch.hpp"
#include "admission/media_type.hpp"
#include "base/assert.hpp"
#include "base/crash_point.hpp"
#include "base/hex.hpp"
#include "crypto/sha256.hpp"
#include "http/exchange.hpp"
#include "ingest/file_ids.hpp"
#include "ingress/rest/batch_answer.hpp"
#include "ingress/rest/batch_sink.hpp"
#include "ingress/rest/make_pending.hpp"
#include "ingress/rest/reading.hpp"
#include "ingress/rest/request_checks.hpp"
#include "ingress/rest/request_headers.hpp"
#include "telemetry/ingest_metrics.hpp"

namespace pebbles::rest {

using http::Exchange;
using http::Response;
using http::Task;
using std::chrono::steady_clock;

namespace {

/// What a loop does itself: more would keep its other connections waiting.
constexpr std::size_t written_at_once_max = 64;
/// Others push in between.
constexpr std::size_t submitted_at_once_max = 1'000;
/// For so long what lanes give back is offered to them again.
constexpr std::chrono::seconds lanes_patience{10};

constexpr Content contents{.is_right =
                               [](std::string_view type) {
                                 return admission::is_json(type) || admission::is_ndjson(type) ||
                                        admission::is_json_events(type);
                               },
                           .name = "application/json or application/x-ndjson"};

/// The keys that a header gives to the updates of its batch: the header's key, a slash and the place, from 0.
class DerivedKeys {
 public:
  explicit DerivedKeys(const std::string& key) : start_{key} {
    constexpr std::size_t place_bytes_max = 5;
    if (key.size() + place_bytes_max > admission::key_bytes_max) start_ = to_hex(crypto::sha256(key));
    start_ += '/';
  }
  [[nodiscard]] std::string at(std::size_t place) const { return start_ + std::to_string(place); }

 private:
  std::string start_;
};

/// What of a batch is in memory at a time. Files are named where states are asked for; `pendings` are its good updates,
/// `places` where these stand among `entries`.
struct Portion {
  std::vector<char> names;  ///< of the files that `entries` name: one piece of memory for all
  std::vector<BatchEntry> entries;
  std::vector<ingest::Pending> pendings;
  std::vector<std::size_t> places;
};

struct Request {
  domain::ClientKrn client;
  admission::BatchForm form{};
  std::optional<DerivedKeys> keys;
  bool is_minimal = false;  ///< no states are asked for
};

/// A batch on its way: what it says, and how far it was read.
struct Batch {
  std::string_view body;
  Request request;
  std::optional<admission::BatchReader> reader = {};
  std::size_t next = 0;  ///< the place of the next update
};

std::optional<std::string> key_of(std::string& event_id, const Request& request, std::size_t place) {
  if (!event_id.empty()) return std::move(event_id);
  return request.keys ? std::optional{request.keys->at(place)} : std::nullopt;
}

std::size_t bytes_of_names(const std::vector<admission::BatchItem>& items) {
  std::size_t out = 0;
  for (const auto& item : items)
    if (const auto* const update = std::get_if<admission::Update>(&item)) out += update->filename->size();
  return out;
}

/// Precondition: there is room for it.
std::string_view add_name(std::vector<char>& names, std::string_view name) {
  const auto place = names.insert(names.end(), name.begin(), name.end());
  return {place, names.end()};
}

Response answer_to(const admission::BadBatch& why) {
  if (why.has_too_many) return http::problem(413, why.detail);
  return answer_of(admission::Faults{{.detail = why.detail, .pointer = {}}});
}

Portion portion_of(std::vector<admission::BatchItem> items, const Request& request, std::size_t first) {
  Portion out;
  if (!request.is_minimal) out.names.reserve(bytes_of_names(items));
  out.entries.resize(items.size());
  out.pendings.reserve(items.size());
  out.places.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto& item = items[i];
    if (auto* const faults = std::get_if<admission::Faults>(&item)) {
      out.entries[i].result = std::move(*faults);
    } else if (auto* const update = std::get_if<admission::Update>(&item)) {
      const auto key = key_of(update->event_id, request, first + i);
      if (!request.is_minimal) out.entries[i].filename = add_name(out.names, *update->filename);
      auto& pending = out.pendings.emplace_back(make_pending(request.client, std::move(*update), key));
      pending.wants_state = !request.is_minimal;
      out.places.push_back(i);
    } else {
      out.entries[i].result = admission::TooLarge{};
    }
  }
  return out;
}

/// The next portion, the first of which tells whether the whole is a batch.
std::expected<Portion, Response> read_portion(Batch& batch) {
  if (!batch.reader) {
    auto reader = admission::BatchReader::open(batch.body, batch.request.form);
    if (!reader) return std::unexpected{answer_to(reader.error())};
    batch.reader = *std::move(reader);
  }
  auto items = batch.reader->read();
  if (!items) return std::unexpected{answer_to(items.error())};
  const auto first = std::exchange(batch.next, batch.next + items->size());
  return portion_of(*std::move(items), batch.request, first);
}

/// What is left of it, as what no lane has taken.
Portion not_taken(Batch& batch) {
  Portion out;
  out.entries.resize(batch.reader->size() - batch.next);
  batch.next = batch.reader->size();
  return out;
}

class ReportBatch {
 public:
  ReportBatch(http::Loop& loop, const RestParts& parts, std::shared_ptr<access::Guard> guard)
      : parts_{parts}, guard_{std::move(guard)}, unread_{loop.long_answers()}, sink_{loop.executor()} {}

  Task<Response> post(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    auto by = co_await guard_->admit(exchange, exchange.capture(0));
    if (!by) co_return std::move(by).error();
    if (auto wrong = judge_head(exchange, parts_.client_rule, contents)) co_return failed(exchange, *std::move(wrong));
    const auto key = key_in(exchange);
    if (!key)
      co_return failed(exchange, answer_of(admission::Faults{{.detail = std::string{key.error()}, .pointer = {}}}));
    if (has_precondition(exchange))
      co_return failed(exchange, malformed("If-Match and If-None-Match are about one file: send its update by itself"));
    std::string requester = **by;
    const auto body = co_await exchange.read_body(admission::batch_bytes_max, &parts_.bodies, std::move(requester));
    if (!body) co_return refused(exchange, body.error());

    Batch batch{.body = *body,
                .request = {.client = domain::ClientKrn{std::string{exchange.capture(0)}},
                            .form = admission::is_ndjson(exchange.header("Content-Type")) ? admission::BatchForm::ndjson
                                                                                          : admission::BatchForm::json,
                            .keys = *key ? std::optional<DerivedKeys>{**key} : std::nullopt,
                            .is_minimal = prefers_minimal(exchange.combined_header("Prefer"))}};
    BatchAnswer answer{batch.request.client,
                       {.update = {.minimal = batch.request.is_minimal, .items_max = parts_.items_max},
                        .lines = takes_only_ndjson(exchange.combined_header("Accept"))}};
    for (bool goes_on = true; goes_on;) {
      auto read = [&batch] { return read_portion(batch); };
      ReadingParts reading{.pool = parts_.pool, .bodies = parts_.bodies, .requester = **by};
      const bool is_first = batch.next == 0;
      auto given =
          co_await read_with_room(std::move(reading), body->size(), admission::portion_memory_max, std::move(read));
      if (!given && is_first) co_return refused(exchange, overloaded());
      auto portion = given ? std::move(given->value) : std::expected<Portion, Response>{not_taken(batch)};
      auto share = given ? std::move(given->share) : http::FairBudget::Share{};
      if (!portion && is_first) co_return failed(exchange, std::move(portion).error());
      // It was looked through before anything of it was counted.
      PEBBLES_ASSERT(portion.has_value(), "a batch is malformed as a whole, or in its first portion");
      share.shrink_to(bytes_of(*portion));
      goes_on = given && !batch.reader->is_done();
      if (!goes_on && body->size() > unbudgeted_bytes_max) exchange.drop_body();
      add_sender(portion->pendings, *by);
      const bool all_taken = co_await bring_in(*portion);
      count_failures(portion->entries, *batch.request.client);
      co_await write(answer, portion->entries, **by);
      if (all_taken || !goes_on) continue;
      // No update may overtake another of its file.
      const auto rest = not_taken(batch);
      count_failures(rest.entries, *batch.request.client);
      co_await write(answer, rest.entries, **by);
      goes_on = false;
    }
    auto out = std::move(answer).finish();
    out.share = unread_.take(out.body.capacity());
    co_return out;
  }

 private:
  static std::size_t bytes_of(const Portion& batch) {
    std::size_t out = batch.names.size() + batch.entries.size() * sizeof(BatchEntry);
    for (const auto& pending : batch.pendings) out += ingest::bytes_of(pending);
    return out;
  }

  void add_sender(std::vector<ingest::Pending>& pendings, const domain::Email& by) {
    const auto now = parts_.clock.now();
    for (auto& pending : pendings) {
      auto& report = std::get<domain::Report>(*pending.command);
      report.by = by;
      report.at = now;
      report.id_if_new = ids_.next(now);
    }
  }

  /// Brings the updates to their outcomes. What the lanes have no room for is offered again when the others are
  /// through, as long as they take something of it: a batch that is longer than what may wait at once is no flood yet.
  /// False when something was left.
  Task<bool> bring_in(Portion& batch) {
    const auto until = steady_clock::now() + lanes_patience;
    const auto ticket = sink_.open(batch.pendings.size());
    for (std::size_t i = 0; i < batch.pendings.size(); ++i) batch.pendings[i].ack = sink_.ack(ticket, i);
    auto waiting = std::move(batch.pendings);
    std::size_t submitted = 0;
    for (bool goes_on = !waiting.empty(); goes_on;) {
      const auto before = waiting.size();
      waiting = submit(std::move(waiting));
      submitted += before - waiting.size();
      goes_on = !waiting.empty() && waiting.size() < before && steady_clock::now() < until;
      co_await sink_.wait(ticket, submitted);
    }
    for (auto& pending : waiting) (void)pending.ack.release();
    auto outcomes = sink_.close(ticket);
    for (std::size_t i = 0; i < outcomes.size(); ++i)
      if (outcomes[i]) batch.entries[batch.places[i]].result = *std::move(outcomes[i]);
    co_return waiting.empty();
  }

  /// What comes back is all that is behind the first that did, so updates of a file stay in their order.
  std::vector<ingest::Pending> submit(std::vector<ingest::Pending> pendings) {
    if (pendings.size() <= submitted_at_once_max) {
      PEBBLES_CRASH_POINT("after-parse");
      return parts_.ingest.submit(std::move(pendings));
    }
    std::vector<ingest::Pending> back;
    auto next = pendings.begin();
    while (next != pendings.end() && back.empty()) {
      const auto end = next + std::min<std::ptrdiff_t>(submitted_at_once_max, pendings.end() - next);
      PEBBLES_CRASH_POINT("after-parse");
      back = parts_.ingest.submit(std::vector(std::move_iterator{next}, std::move_iterator{end}));
      next = end;
    }
    back.insert(back.end(), std::move_iterator{next}, std::move_iterator{pendings.end()});
    return back;
  }

  /// Those that no lane has counted.
  static void count_failures(const std::vector<BatchEntry>& entries, std::string_view client) {
    for (const auto& entry : entries) {
      if (std::holds_alternative<ingest::Outcome>(entry.result)) continue;
      telemetry::update_failed(client, std::holds_alternative<NotTaken>(entry.result)
                                           ? telemetry::UpdateFailure::unavailable
                                           : telemetry::UpdateFailure::invalid);
    }
  }

  /// What is referred to outlives the call.
  Task<void> write(BatchAnswer& answer, const std::vector<BatchEntry>& entries, std::string asker) {
    // Short where long ones lie unread: the updates are counted, so there has to be an answer.
    if (unread_.is_spent()) answer.leave_out_states();
    auto add = [&answer, &entries] {
      answer.add(entries);
      return true;
    };
    std::optional<bool> is_added;
    if (entries.size() > written_at_once_max) is_added = co_await http::run_on(parts_.pool, std::move(asker), add);
    if (!is_added) add();
  }

  RestParts parts_;
  std::shared_ptr<access::Guard> guard_;
  http::ByteBudget& unread_;
  BatchSink sink_;
  ingest::FileIds ids_;
};

}  // namespace

void add_batch_route(http::Loop& loop, const RestParts& parts, const std::shared_ptr<access::Guard>& guard) {
  auto batches = std::make_shared<ReportBatch>(loop, parts, guard);
  loop.router().add("POST", "/clients/{clientKrn}/progress/batch",
                    [batches](Exchange& exchange) { return batches->post(exchange); });
}

}  // namespace pebbles::rest
