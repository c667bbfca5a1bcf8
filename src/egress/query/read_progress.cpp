#include "egress/query/read_progress.hpp"

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/hex.hpp"
#include "egress/query/cursor.hpp"
#include "egress/query/etag.hpp"
#include "egress/query/record_json.hpp"
#include "egress/query/shared_reads.hpp"
#include "http/exchange.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::query {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

constexpr std::string_view unknown_file = "Progress not found for this file";

/// Everything that a list depends on, checked.
struct ListRequest {
  domain::ClientKrn client;
  store::ListQuery query;
};

Response invalid(std::string_view what) { return http::problem(400, "Invalid parameters: " + std::string{what}); }

Response read_failure(const Error& error) {
  telemetry::read_failed(error.detail);
  if (error.code == Errc::store_unavailable) return http::try_later("The store is not available");
  return http::problem(500, "Internal error");
}

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

/// Nullopt for all but a positive decimal number, as large as numbers of the API may be; a large one is cut.
std::optional<std::size_t> read_limit(std::string_view text, std::size_t limit_max) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || value <= 0 || value > domain::count_max)
    return std::nullopt;
  return std::min(static_cast<std::size_t>(value), limit_max);
}

std::expected<ListRequest, Response> read_list_request(const Exchange& exchange, const QueryOptions& options) {
  ListRequest out{.client = domain::ClientKrn{std::string{exchange.capture(0)}},
                  .query = {.owner = {}, .after = {}, .limit = std::min(options.limit_default, options.limit_max)}};
  if (const auto* email = exchange.parameter("email")) out.query.owner = domain::Email{*email};
  if (const auto* limit = exchange.parameter("limit")) {
    const auto read = read_limit(*limit, options.limit_max);
    if (!read) return std::unexpected{invalid("limit must be a whole number above 0")};
    out.query.limit = *read;
  }
  if (const auto* cursor = exchange.parameter("cursor")) {
    out.query.after = read_cursor({.client = out.client, .owner = out.query.owner}, *cursor);
    if (!out.query.after) return std::unexpected{invalid("cursor is not one of this list")};
  }
  return out;
}

class ReadProgress {
 public:
  ReadProgress(http::Loop& loop, const QueryParts& parts, std::shared_ptr<access::Guard> guard)
      : parts_{parts}, guard_{std::move(guard)}, unread_{loop.long_answers()}, reads_{loop.executor(), parts.pool} {}

  Task<Response> get(Exchange& exchange) {
    const auto* const file = exchange.parameter("filename");
    exchange.note(exchange.capture(0), file != nullptr ? std::string_view{*file} : std::string_view{});
    if (auto denied = co_await deny(exchange)) co_return *std::move(denied);
    if (auto wrong = judge(exchange)) co_return *std::move(wrong);
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
    co_return co_await on(parts_.lists, std::move(client), std::move(work));
  }

  Task<Response> get_by_id(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    if (auto denied = co_await deny(exchange)) co_return *std::move(denied);
    if (auto wrong = judge(exchange)) co_return *std::move(wrong);
    domain::FileId id{};
    const auto digits = exchange.capture(1);
    if (digits.size() != 2 * id.size() || !from_hex(digits, id)) co_return http::problem(404, unknown_file);
    domain::ClientKrn client{std::string{exchange.capture(0)}};
    auto known = exchange.combined_header("If-None-Match");
    if (auto found = parts_.reader.at_hand(client, id)) co_return show(std::move(found), known);
    SharedReads::Question question{.client = *client, .record = "id ", .read = {}};
    question.record.append(to_hex(id)).append(*client);
    question.read = [&reader = parts_.reader, client = std::move(client), id] { return reader.by_id(client, id); };
    co_return co_await show_shared(std::move(question), known);
  }

 private:
  Task<std::optional<Response>> deny(const Exchange& exchange) const {
    if (!guard_) co_return std::nullopt;
    auto reader = co_await guard_->admit(exchange, exchange.capture(0));
    if (reader) co_return std::nullopt;
    co_return std::move(reader).error();
  }

  std::optional<Response> judge(const Exchange& exchange) const {
    if (!parts_.client_rule.accepts(exchange.capture(0))) return invalid("clientKrn is not a valid client name");
    for (const std::string_view name : {"filename", "email", "limit", "cursor"})
      if (exchange.parameter_count(name) > 1) return invalid(std::string{name} + " is given more than once");
    return std::nullopt;
  }

  Response show(const Result<store::SnapshotPtr>& found, std::string_view if_none_match) const {
    return show_record(found, if_none_match, parts_.options.items_max);
  }

  /// `known` outlives the call.
  Task<Response> show_shared(SharedReads::Question question, std::string_view known) {
    auto found = co_await reads_.ask(std::move(question));
    co_return found ? show(*found, known) : http::try_later("Too many reads at once");
  }

  template <class Work>
  static Task<Response> on(http::WorkerPool& pool, std::string asker, Work work) {
    auto response = co_await http::run_on(pool, std::move(asker), std::move(work));
    if (!response) co_return http::try_later("Too many reads at once");
    co_return *std::move(response);
  }

  QueryParts parts_;
  std::shared_ptr<access::Guard> guard_;
  http::ByteBudget& unread_;
  SharedReads reads_;
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
