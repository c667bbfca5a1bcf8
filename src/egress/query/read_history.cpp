#include "egress/query/read_history.hpp"

#include <array>

#include "base/hex.hpp"
#include "egress/query/asking.hpp"
#include "egress/query/etag.hpp"
#include "egress/query/event_json.hpp"
#include "egress/query/long_answers.hpp"
#include "egress/query/place_cursor.hpp"
#include "json/writer.hpp"

namespace pebbles::query {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

constexpr std::array formats{Format::json, Format::ndjson};
constexpr std::array<std::string_view, 3> history_parameters{"limit", "cursor", "format"};
constexpr std::array<std::string_view, 3> feed_parameters{"limit", "after", "format"};

/// How much of the log one piece of a stream reads at once.
constexpr store::PageBounds piece_bounds{.events = 1'000, .bytes = 256UL << 10U};
/// Events in a page of JSON take no more than this, however few they are.
constexpr std::size_t page_bytes = 2UL << 20U;

/// Who asks, for what, and how much of it.
struct Request {
  domain::ClientKrn client;
  Format format = Format::json;
  std::size_t limit = 0;
  std::string scope;  ///< of cursors
};

std::expected<Request, Response> read_request(const Exchange& exchange, const QueryOptions& options) {
  Request out;
  out.client = domain::ClientKrn{std::string{exchange.capture(0)}};
  PEBBLES_TRY(format, read_format(exchange, formats));
  out.format = format;
  // What is streamed is whole unless somebody asks for less.
  PEBBLES_TRY(limit, format == Format::json ? read_limit(exchange, options.limit_default, options.limit_max)
                                            : read_limit(exchange, SIZE_MAX, SIZE_MAX));
  out.limit = limit;
  return out;
}

// ---- One file ----

struct HistoryRequest : Request {
  domain::FileId id{};
  store::Version after = 0;
  bool in_life = false;  ///< the file's first event is behind: it may have been deleted and made again before
  std::string if_none_match;
};

std::expected<HistoryRequest, Response> read_history_request(const Exchange& exchange, const QueryOptions& options) {
  HistoryRequest out;
  PEBBLES_TRY(request, read_request(exchange, options));
  static_cast<Request&>(out) = request;
  const auto id = read_id(exchange.capture(1));
  if (!id) return std::unexpected{http::problem(404, unknown_file)};
  out.id = *id;
  out.scope.append("events").append(1, '\0').append(*out.client).append(1, '\0').append(to_hex(*id));
  if (const auto* cursor = exchange.parameter("cursor")) {
    std::array<std::int64_t, 2> place{};
    if (!read_place(out.scope, *cursor, place)) return std::unexpected{invalid("cursor is not one of this list")};
    out.after = place[0];
    out.in_life = place[1] != 0;
  }
  out.if_none_match = exchange.combined_header("If-None-Match");
  return out;
}

/// A file's events, page by page, up to what it has now.
class HistoryWalk {
 public:
  HistoryWalk(store::ProgressReader& reader, store::SnapshotPtr file, store::Version after, bool in_life)
      : reader_{reader}, file_{std::move(file)}, after_{after}, in_life_{in_life} {}

  /// Calls `take` with each event of the next page; true while there is more.
  template <class Take>
  Result<bool> next(const store::PageBounds& bounds, Take&& take) {
    const auto last = file_->progress.version;
    if (after_ >= last) return false;
    PEBBLES_TRY(page, reader_.events(file_->stream, after_, bounds));
    for (const auto& event : page.events) {
      if (event.version > last) return false;
      if (event.id) in_life_ = *event.id == file_->progress.id;
      if (in_life_) take(event);
      after_ = event.version;
    }
    return !page.events.empty() && after_ < last;
  }
  [[nodiscard]] store::Version after() const { return after_; }
  [[nodiscard]] bool in_life() const { return in_life_; }

 private:
  store::ProgressReader& reader_;
  store::SnapshotPtr file_;
  store::Version after_;
  bool in_life_;
};

class HistoryLines final : public http::BodySource {
 public:
  HistoryLines(HistoryWalk walk, std::size_t limit) : walk_{std::move(walk)}, left_{limit} {}

  Result<bool> next(std::string& out) override {
    const auto bounds = store::PageBounds{.events = std::min(left_, piece_bounds.events), .bytes = piece_bounds.bytes};
    PEBBLES_TRY(more, walk_.next(bounds, [&](const domain::ProgressEvent& event) {
      out += '{';
      append_event_members(out, event);
      out += "}\n";
      --left_;
    }));
    return more && left_ > 0;
  }

 private:
  HistoryWalk walk_;
  std::size_t left_;
};

// ---- All files of a client ----

struct FeedRequest : Request {
  std::optional<store::FeedPosition> after;  ///< nothing: from the end
};

std::expected<FeedRequest, Response> read_feed_request(const Exchange& exchange, const QueryOptions& options) {
  FeedRequest out;
  PEBBLES_TRY(request, read_request(exchange, options));
  static_cast<Request&>(out) = request;
  out.scope.append("feed").append(1, '\0').append(*out.client);
  const auto* const after = exchange.parameter("after");
  out.after.emplace();
  if (after == nullptr) return out;
  if (*after == "latest") {
    out.after.reset();
    return out;
  }
  std::array<std::int64_t, 2> place{};
  if (!read_place(out.scope, *after, place)) return std::unexpected{invalid("after is not a cursor of this feed")};
  out.after = {.place = place[0], .given = place[1]};
  return out;
}

std::string feed_cursor(const std::string& scope, const store::FeedPosition& position) {
  return make_place(scope, std::array{position.place, position.given});
}

void append_feed_entry(std::string& out, const store::FeedEntry& entry) {
  out += R"({"filename":)";
  json::append_string(out, *entry.filename);
  out += ',';
  append_event_members(out, entry.event);
}

class FeedLines final : public http::BodySource {
 public:
  FeedLines(store::ProgressReader& reader, FeedRequest request) : reader_{reader}, request_{std::move(request)} {}

  Result<bool> next(std::string& out) override {
    if (!until_) {  // what comes while it is sent is for the next time
      PEBBLES_TRY(end, reader_.feed_end());
      until_ = end;
      if (!request_.after) request_.after = {.place = end};
    }
    const auto bounds =
        store::PageBounds{.events = std::min(request_.limit, piece_bounds.events), .bytes = piece_bounds.bytes};
    PEBBLES_TRY(page,
                reader_.client_events(request_.client, {.after = *request_.after, .until = until_, .bounds = bounds}));
    for (const auto& entry : page.entries) {
      append_feed_entry(out, entry);
      out += R"(,"cursor":")" + feed_cursor(request_.scope, entry.position) + "\"}\n";
    }
    request_.limit -= page.entries.size();
    request_.after = page.next;
    return page.more && request_.limit > 0;
  }

 private:
  store::ProgressReader& reader_;
  FeedRequest request_;
  std::optional<std::int64_t> until_;
};

class ReadHistory {
 public:
  ReadHistory(http::Loop& loop, const QueryParts& parts, std::shared_ptr<access::Guard> guard)
      : parts_{parts}, gate_{parts.client_rule, std::move(guard)}, answers_{loop, parts.logs} {}

  Task<Response> history(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    if (auto refused = co_await gate_.refuse(exchange, history_parameters)) co_return *std::move(refused);
    auto request = read_history_request(exchange, parts_.options);
    if (!request) co_return std::move(request).error();
    std::string client = *request->client;
    const auto format = request->format;
    auto work = [this, asked = *std::move(request)] { return show_history(asked); };
    co_return co_await answers_.show(std::move(client), format, std::move(work));
  }

  Task<Response> feed(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    if (auto refused = co_await gate_.refuse(exchange, feed_parameters)) co_return *std::move(refused);
    auto request = read_feed_request(exchange, parts_.options);
    if (!request) co_return std::move(request).error();
    std::string client = *request->client;
    const auto format = request->format;
    auto work = [this, asked = *std::move(request)] { return show_feed(asked); };
    co_return co_await answers_.show(std::move(client), format, std::move(work));
  }

 private:
  Response show_history(const HistoryRequest& request) const {
    const auto file = parts_.reader.by_id(request.client, request.id);
    if (!file) return read_failure(file.error());
    if (!*file) return http::problem(404, unknown_file);
    HistoryWalk walk{parts_.reader, *file, request.after, request.in_life};
    if (request.format == Format::ndjson)
      return answers_.stream(*request.client, ndjson_type,
                             std::make_unique<HistoryLines>(std::move(walk), request.limit));

    auto out = tagged(request.if_none_match, tag_of(**file, {.items_max = request.limit, .stalled_before = {}}));
    http::add_header(out, "Vary", "Accept");
    if (out.status == 304) return out;
    out.content_type = http::json_type;
    out.body += '[';
    const auto more =
        walk.next({.events = request.limit, .bytes = page_bytes}, [&](const domain::ProgressEvent& event) {
          out.body += out.body.size() > 1 ? ",{" : "{";
          append_event_members(out.body, event);
          out.body += '}';
        });
    if (!more) return read_failure(more.error());
    out.body += ']';
    if (*more) {
      const auto cursor = make_place(request.scope, std::array{walk.after(), std::int64_t{walk.in_life()}});
      http::add_header(out, "Link",
                       "<?limit=" + std::to_string(request.limit) + "&cursor=" + cursor + R"(>; rel="next")");
    }
    return out;
  }

  Response show_feed(const FeedRequest& request) const {
    if (request.format == Format::ndjson)
      return answers_.stream(*request.client, ndjson_type, std::make_unique<FeedLines>(parts_.reader, request));
    store::FeedPage page;
    if (request.after) {
      auto read = parts_.reader.client_events(
          request.client, {.after = *request.after, .bounds = {.events = request.limit, .bytes = page_bytes}});
      if (!read) return read_failure(read.error());
      page = *std::move(read);
    } else {
      const auto end = parts_.reader.feed_end();
      if (!end) return read_failure(end.error());
      page.next = {.place = *end};
    }
    Response out{.status = 200, .content_type = http::json_type, .headers = {}, .body = {}};
    http::add_header(out, "Vary", "Accept");
    http::add_header(out, "Cache-Control", "no-cache");
    out.body = R"({"events":[)";
    for (const auto& entry : page.entries) {
      if (&entry != page.entries.data()) out.body += ',';
      append_feed_entry(out.body, entry);
      out.body += '}';
    }
    out.body += R"(],"next":")" + feed_cursor(request.scope, page.next) + R"(","more":)";
    out.body += page.more ? "true}" : "false}";
    return out;
  }

  QueryParts parts_;
  ReadGate gate_;
  LongAnswers answers_;
};

}  // namespace

void add_history_routes(http::Loop& loop, const QueryParts& parts, const std::shared_ptr<access::Guard>& guard) {
  auto history = std::make_shared<ReadHistory>(loop, parts, guard);
  auto& router = loop.router();
  router.add("GET", "/clients/{clientKrn}/progress/{id}/events",
             [history](Exchange& exchange) { return history->history(exchange); });
  router.add("GET", "/clients/{clientKrn}/events", [history](Exchange& exchange) { return history->feed(exchange); });
}

}  // namespace pebbles::query
