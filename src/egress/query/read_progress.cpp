#include "egress/query/read_progress.hpp"

#include <array>
#include <memory>

#include "base/hex.hpp"
#include "egress/query/asking.hpp"
#include "egress/query/derived.hpp"
#include "egress/query/etag.hpp"
#include "egress/query/list_request.hpp"
#include "egress/query/long_answers.hpp"
#include "egress/query/past_state.hpp"
#include "egress/query/record_json.hpp"
#include "egress/query/shared_reads.hpp"
#include "http/exchange.hpp"

namespace pebbles::query {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

constexpr std::array<std::string_view, 1> record_parameters{"at"};

/// As of when, and by which rules, records are shown.
struct View {
  Timestamp now;
  const QueryOptions& options;
};

void append(std::string& out, const store::Snapshot& snapshot, const View& view) {
  append_record(out, snapshot, derive(snapshot.progress, view.now, view.options.stalled_after), view.options.items_max);
}

TagScope tag_scope(const View& view) {
  return {.items_max = view.options.items_max, .stalled_before = view.now - view.options.stalled_after};
}

Response show_record(const Result<store::SnapshotPtr>& found, std::string_view if_none_match, const View& view) {
  if (!found) return read_failure(found.error());
  if (!*found) return http::problem(404, unknown_file);
  auto out = tagged(if_none_match, tag_of(**found, tag_scope(view)));
  if (out.status == 304) return out;
  out.content_type = http::json_type;
  append(out.body, **found, view);
  return out;
}

Response show_list(const Result<store::ListPage>& page, const ListRequest& request, std::string_view if_none_match,
                   const View& view, Cursors& cursors) {
  if (!page) return read_failure(page.error());
  std::string next;
  if (page->next) {
    const auto codec = cursors.codec();
    if (!codec) return read_failure(codec.error());
    next = page_reference(request, view.options, *page->next, **codec);
  }
  auto out = tagged(if_none_match, tag_of(*page, next, tag_scope(view)));
  if (!next.empty()) http::add_header(out, "Link", "<" + next + R"(>; rel="next")");
  if (out.status == 304) return out;
  constexpr std::size_t record_bytes = 512;
  out.content_type = http::json_type;
  out.body.reserve(page->records.size() * record_bytes);
  out.body += '[';
  for (const auto& record : page->records) {
    if (out.body.size() > 1) out.body += ',';
    append(out.body, *record, view);
  }
  out.body += ']';
  return out;
}

class ReadProgress {
 public:
  ReadProgress(http::Loop& loop, const QueryParts& parts, ReadAccess access)
      : parts_{parts},
        cursors_{parts.reader},
        gate_{parts.client_rule, std::move(access)},
        answers_{loop, parts.lists},
        reads_{loop.executor(), parts.pool},
        past_{loop, parts} {}

  Task<Response> get(Exchange& exchange) {
    const auto* const file = exchange.parameter("filename");
    exchange.note(exchange.capture(0), file != nullptr ? std::string_view{*file} : std::string_view{});
    if (auto refused = co_await gate_.refuse(exchange, list_parameters)) co_return *std::move(refused);
    auto request = read_list_request(exchange, parts_.options, parts_.clock.now(),
                                     cursors_);  // what is wrong is said, whether it counts or not
    if (!request) co_return std::move(request).error();
    auto known = exchange.combined_header("If-None-Match");
    if (const auto* filename = exchange.parameter("filename")) {
      domain::StreamId stream{.client = std::move(request->client), .filename = domain::Filename{*filename}};
      if (auto found = parts_.reader.at_hand(stream)) co_return show(std::move(found), known);
      SharedReads::Question question{.asker = gate_.asker(exchange), .record = "name ", .read = {}};
      question.record.append(*stream.client).append({'\0'}).append(*stream.filename);
      question.read = [&reader = parts_.reader, stream = std::move(stream)] { return reader.by_filename(stream); };
      co_return co_await show_shared(std::move(question), known);
    }
    LongRequest wanted{.asker = gate_.asker(exchange), .cancellation = exchange.cancellation()};
    auto work = [this, list = *std::move(request), known = std::move(known)] {
      const View view{.now = parts_.clock.now(), .options = parts_.options};
      return show_list(parts_.reader.list(list.client, list.query), list, known, view, cursors_);
    };
    co_return co_await answers_.show(std::move(wanted), std::move(work));
  }

  Task<Response> get_by_id(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    if (auto refused = co_await gate_.refuse(exchange, record_parameters)) co_return *std::move(refused);
    const auto read = read_id(exchange.capture(1));
    if (!read) co_return http::problem(404, unknown_file);
    const auto id = *read;
    domain::ClientKrn client{std::string{exchange.capture(0)}};
    auto known = exchange.combined_header("If-None-Match");
    if (const auto* at = exchange.parameter("at")) {
      const auto moment = read_moment(*at);
      if (!moment) co_return invalid("at must be a time in UTC as RFC 3339 writes it, or a version above 0");
      PastReader reader{.asker = gate_.asker(exchange), .cancellation = exchange.cancellation()};
      co_return co_await past_.show(std::move(client), id, *moment, std::move(known), std::move(reader));
    }
    if (auto found = parts_.reader.at_hand(client, id)) co_return show(std::move(found), known);
    SharedReads::Question question{.asker = gate_.asker(exchange), .record = "id ", .read = {}};
    question.record.append(to_hex(id)).append(*client);
    question.read = [&reader = parts_.reader, client = std::move(client), id] { return reader.by_id(client, id); };
    co_return co_await show_shared(std::move(question), known);
  }

 private:
  Response show(const Result<store::SnapshotPtr>& found, std::string_view if_none_match) const {
    return show_record(found, if_none_match, {.now = parts_.clock.now(), .options = parts_.options});
  }

  /// `known` outlives the call.
  Task<Response> show_shared(SharedReads::Question question, std::string_view known) {
    auto found = co_await reads_.ask(std::move(question));
    co_return found ? show(*found, known) : http::try_later("Too many reads at once");
  }

  QueryParts parts_;
  Cursors cursors_;
  ReadGate gate_;
  LongAnswers answers_;
  SharedReads reads_;
  PastStates past_;
};

}  // namespace

void add_routes(http::Loop& loop, const QueryParts& parts, ReadAccess access) {
  auto reads = std::make_shared<ReadProgress>(loop, parts, std::move(access));
  auto& router = loop.router();
  router.add("GET", "/clients/{clientKrn}/progress", [reads](Exchange& exchange) { return reads->get(exchange); });
  router.add("GET", "/clients/{clientKrn}/progress/{id}",
             [reads](Exchange& exchange) { return reads->get_by_id(exchange); });
}

}  // namespace pebbles::query
