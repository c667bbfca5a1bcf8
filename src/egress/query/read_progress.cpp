#include "egress/query/read_progress.hpp"

#include <array>
#include <memory>

#include "base/hex.hpp"
#include "egress/query/asking.hpp"
#include "egress/query/cursor.hpp"
#include "egress/query/etag.hpp"
#include "egress/query/past_state.hpp"
#include "egress/query/record_json.hpp"
#include "egress/query/shared_reads.hpp"
#include "http/exchange.hpp"

namespace pebbles::query {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

constexpr std::array<std::string_view, 5> parameters{"filename", "email", "limit", "cursor", "at"};

/// Everything that a list depends on, checked.
struct ListRequest {
  domain::ClientKrn client;
  store::ListQuery query;
};

Response show_record(const Result<store::SnapshotPtr>& found, std::string_view if_none_match, std::size_t items_max) {
  if (!found) return read_failure(found.error());
  if (!*found) return http::problem(404, unknown_file);
  auto out = tagged(if_none_match, tag_of(**found, items_max));
  if (out.status == 304) return out;
  out.content_type = http::json_type;
  append_record(out.body, **found, items_max);
  return out;
}

void add_next_page(Response& out, const ListRequest& request, const store::Snapshot& last) {
  const store::ListPosition position{.updated_at = last.progress.updated_at, .id = last.progress.id};
  // Relative to the list itself (RFC 3986, section 5.2), so it holds behind any proxy's prefix.
  std::string link = "<?limit=" + std::to_string(request.query.limit);
  if (request.query.owner) {
    link += "&email=";
    http::append_percent_encoded(link, **request.query.owner);
  }
  link += "&cursor=" + make_cursor({.client = request.client, .owner = request.query.owner}, position);
  link += R"(>; rel="next")";
  http::add_header(out, "Link", link);
}

Response show_list(const Result<store::ListPage>& page, const ListRequest& request, std::string_view if_none_match,
                   std::size_t items_max) {
  if (!page) return read_failure(page.error());
  auto out = tagged(if_none_match, tag_of(*page, items_max));
  if (page->more && !page->records.empty()) add_next_page(out, request, *page->records.back());
  if (out.status == 304) return out;
  constexpr std::size_t record_bytes = 512;
  out.content_type = http::json_type;
  out.body.reserve(page->records.size() * record_bytes);
  out.body += '[';
  for (const auto& record : page->records) {
    if (out.body.size() > 1) out.body += ',';
    append_record(out.body, *record, items_max);
  }
  out.body += ']';
  return out;
}

std::expected<ListRequest, Response> read_list_request(const Exchange& exchange, const QueryOptions& options) {
  ListRequest out{.client = domain::ClientKrn{std::string{exchange.capture(0)}},
                  .query = {.owner = {}, .after = {}, .limit = 0}};
  if (const auto* email = exchange.parameter("email")) out.query.owner = domain::Email{*email};
  PEBBLES_TRY(limit, read_limit(exchange, options.limit_default, options.limit_max));
  out.query.limit = limit;
  if (const auto* cursor = exchange.parameter("cursor")) {
    out.query.after = read_cursor({.client = out.client, .owner = out.query.owner}, *cursor);
    if (!out.query.after) return std::unexpected{invalid("cursor is not one of this list")};
  }
  return out;
}

class ReadProgress {
 public:
  ReadProgress(http::Loop& loop, const QueryParts& parts, std::shared_ptr<access::Guard> guard)
      : parts_{parts},
        gate_{parts.client_rule, std::move(guard)},
        unread_{loop.long_answers()},
        reads_{loop.executor(), parts.pool},
        past_{loop, parts} {}

  Task<Response> get(Exchange& exchange) {
    const auto* const file = exchange.parameter("filename");
    exchange.note(exchange.capture(0), file != nullptr ? std::string_view{*file} : std::string_view{});
    if (auto refused = co_await gate_.refuse(exchange, parameters)) co_return *std::move(refused);
    auto request = read_list_request(exchange, parts_.options);  // what is wrong is said, whether it counts or not
    if (!request) co_return std::move(request).error();
    auto known = exchange.combined_header("If-None-Match");
    if (const auto* filename = exchange.parameter("filename")) {
      domain::StreamId stream{.client = std::move(request->client), .filename = domain::Filename{*filename}};
      if (auto found = parts_.reader.at_hand(stream)) co_return show(std::move(found), known);
      SharedReads::Question question{.client = *stream.client, .record = "name ", .read = {}};
      question.record.append(*stream.client).append({'\0'}).append(*stream.filename);
      question.read = [&reader = parts_.reader, stream = std::move(stream)] { return reader.by_filename(stream); };
      co_return co_await show_shared(std::move(question), known);
    }
    std::string client = *request->client;
    auto work = [this, list = *std::move(request), known = std::move(known)] {
      if (unread_.is_spent()) return http::try_later("Too many lists wait to be read by their clients");
      auto out = show_list(parts_.reader.list(list.client, list.query), list, known, parts_.options.items_max);
      out.share = unread_.take(out.body.capacity());
      return out;
    };
    co_return co_await answer_on(parts_.lists, std::move(client), std::move(work));
  }

  Task<Response> get_by_id(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    if (auto refused = co_await gate_.refuse(exchange, parameters)) co_return *std::move(refused);
    const auto read = read_id(exchange.capture(1));
    if (!read) co_return http::problem(404, unknown_file);
    const auto id = *read;
    domain::ClientKrn client{std::string{exchange.capture(0)}};
    auto known = exchange.combined_header("If-None-Match");
    if (const auto* at = exchange.parameter("at")) {
      const auto moment = read_moment(*at);
      if (!moment) co_return invalid("at must be a time in UTC as RFC 3339 writes it, or a version above 0");
      co_return co_await past_.show(std::move(client), id, *moment, std::move(known));
    }
    if (auto found = parts_.reader.at_hand(client, id)) co_return show(std::move(found), known);
    SharedReads::Question question{.client = *client, .record = "id ", .read = {}};
    question.record.append(to_hex(id)).append(*client);
    question.read = [&reader = parts_.reader, client = std::move(client), id] { return reader.by_id(client, id); };
    co_return co_await show_shared(std::move(question), known);
  }

 private:
  Response show(const Result<store::SnapshotPtr>& found, std::string_view if_none_match) const {
    return show_record(found, if_none_match, parts_.options.items_max);
  }

  /// `known` outlives the call.
  Task<Response> show_shared(SharedReads::Question question, std::string_view known) {
    auto found = co_await reads_.ask(std::move(question));
    co_return found ? show(*found, known) : http::try_later("Too many reads at once");
  }

  QueryParts parts_;
  ReadGate gate_;
  http::AnswerBudget& unread_;
  SharedReads reads_;
  PastStates past_;
};

}  // namespace

void add_routes(http::Loop& loop, const QueryParts& parts, std::shared_ptr<access::Guard> guard) {
  auto reads = std::make_shared<ReadProgress>(loop, parts, std::move(guard));
  auto& router = loop.router();
  router.add("GET", "/clients/{clientKrn}/progress", [reads](Exchange& exchange) { return reads->get(exchange); });
  router.add("GET", "/clients/{clientKrn}/progress/{id}",
             [reads](Exchange& exchange) { return reads->get_by_id(exchange); });
}

}  // namespace pebbles::query
