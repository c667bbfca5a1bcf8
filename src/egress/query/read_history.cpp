#include "egress/query/read_history.hpp"

#include <array>
#include <chrono>

#include "base/assert.hpp"
#include "base/hex.hpp"
#include "egress/query/asking.hpp"
#include "egress/query/cursor.hpp"
#include "egress/query/etag.hpp"
#include "egress/query/event_json.hpp"
#include "egress/query/long_answers.hpp"
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
/// How long a page of a feed that is not full looks on for more. Where it ended would else tell, by the look, how much
/// all the others have written in between.
constexpr std::chrono::seconds feed_search_max{5};
/// Events in a page of JSON take no more than this, however few they are.
constexpr std::size_t page_bytes = 2UL << 20U;

/// Who asks, for what, and how much of it.
struct Request {
  domain::ClientKrn client;
  http::Asker asker;
  Format format = Format::json;
  std::size_t limit = 0;
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
  HistoryPosition after;
  std::string path;  ///< of links
  std::string if_none_match;
};

CursorScope scope_of(const HistoryRequest& request) {
  CursorScope out{CursorKind::history, request.client};
  return out.add(std::string_view{reinterpret_cast<const char*>(request.id.data()), request.id.size()});
}

std::expected<HistoryRequest, Response> read_history_request(const Exchange& exchange, const QueryOptions& options,
                                                             Cursors& cursors) {
  HistoryRequest out;
  PEBBLES_TRY(request, read_request(exchange, options));
  static_cast<Request&>(out) = request;
  const auto id = read_id(exchange.capture(1));
  if (!id) return std::unexpected{http::problem(404, unknown_file)};
  out.id = *id;
  out.path = path_of_files(options, out.client).append("/").append(to_hex(*id)).append("/events");
  if (const auto* cursor = exchange.parameter("cursor")) {
    const auto codec = cursors.codec();
    if (!codec) return std::unexpected{read_failure(codec.error())};
    const auto place = (*codec)->read_history(scope_of(out), *cursor);
    if (!place) return std::unexpected{bad_cursor("cursor", "one of this list")};
    out.after = *place;
  }
  out.if_none_match = exchange.combined_header("If-None-Match");
  return out;
}

/// A file's events, page by page, up to what it has now.
class HistoryWalk {
 public:
  HistoryWalk(store::ProgressReader& reader, store::SnapshotPtr file, const HistoryPosition& after)
      : reader_{reader}, file_{std::move(file)}, at_{after} {
    PEBBLES_ASSERT(after.version >= 0, "a place before the first event");
  }

  /// Calls `take` with each event of the next page; true while there is more.
  template <class Take>
  Result<bool> next(const store::PageBounds& bounds, Take&& take) {
    const auto last = file_->progress.version;
    if (at_.version >= last) return false;
    PEBBLES_TRY(page, reader_.events(file_->stream, at_.version, bounds));
    for (const auto& event : page.events) {
      if (event.version > last) return false;
      if (event.id) at_.in_life = *event.id == file_->progress.id;
      if (at_.in_life) take(event);
      at_.version = event.version;
    }
    return !page.events.empty() && at_.version < last;
  }
  [[nodiscard]] const HistoryPosition& position() const { return at_; }

 private:
  store::ProgressReader& reader_;
  store::SnapshotPtr file_;
  HistoryPosition at_;
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

/// A page of JSON while it is filled, look by look.
struct FeedSearch {
  FeedRequest request;  ///< of what is missing
  std::chrono::steady_clock::time_point until;
  std::string events;
  bool goes_on = false;
};

CursorScope scope_of(const FeedRequest& request) { return {CursorKind::feed, request.client}; }

std::expected<FeedRequest, Response> read_feed_request(const Exchange& exchange, const QueryOptions& options,
                                                       Cursors& cursors) {
  FeedRequest out;
  PEBBLES_TRY(request, read_request(exchange, options));
  static_cast<Request&>(out) = request;
  const auto* const after = exchange.parameter("after");
  out.after.emplace();
  if (after == nullptr) return out;
  if (*after == "latest") {
    out.after.reset();
    return out;
  }
  const auto codec = cursors.codec();
  if (!codec) return std::unexpected{read_failure(codec.error())};
  out.after = (*codec)->read_feed(scope_of(out), *after);
  if (!out.after) return std::unexpected{bad_cursor("after", "a cursor of this feed")};
  return out;
}

void append_feed_entry(std::string& out, const store::FeedEntry& entry) {
  out += R"({"filename":)";
  json::append_string(out, *entry.filename);
  out += ',';
  append_event_members(out, entry.event);
}

class FeedLines final : public http::BodySource {
 public:
  FeedLines(store::ProgressReader& reader, FeedRequest request, std::shared_ptr<const CursorCodec> codec)
      : reader_{reader}, request_{std::move(request)}, codec_{std::move(codec)} {}

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
      append_feed_entry(unsent_, entry);
      unsent_ += R"(,"cursor":")" + codec_->make(scope_, entry.position) + "\"}\n";
    }
    request_.limit -= page.entries.size();
    request_.after = page.next;
    const bool more = page.more && request_.limit > 0;
    // Nobody sees where a look ended, which others' events decide.
    if (!more || page.full || unsent_.size() >= piece_bytes) out += std::exchange(unsent_, {});
    return more;
  }

 private:
  store::ProgressReader& reader_;
  FeedRequest request_;
  const std::shared_ptr<const CursorCodec> codec_;
  const CursorScope scope_ = scope_of(request_);
  std::optional<std::int64_t> until_;
  std::string unsent_;
};

class ReadHistory {
 public:
  ReadHistory(http::Loop& loop, const QueryParts& parts, ReadAccess access)
      : loop_{loop},
        parts_{parts},
        cursors_{parts.reader},
        gate_{parts.client_rule, std::move(access)},
        answers_{loop, parts.logs} {}

  Task<Response> history(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    if (auto refused = co_await gate_.refuse(exchange, history_parameters)) co_return *std::move(refused);
    auto request = read_history_request(exchange, parts_.options, cursors_);
    if (!request) co_return std::move(request).error();
    request->asker = gate_.asker(exchange);
    LongRequest wanted{.asker = request->asker, .format = request->format, .cancellation = exchange.cancellation()};
    auto work = [this, asked = *std::move(request)] { return show_history(asked); };
    co_return co_await answers_.show(std::move(wanted), std::move(work));
  }

  Task<Response> feed(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    if (auto refused = co_await gate_.refuse(exchange, feed_parameters)) co_return *std::move(refused);
    auto request = read_feed_request(exchange, parts_.options, cursors_);
    if (!request) co_return std::move(request).error();
    request->asker = gate_.asker(exchange);
    const auto search = std::make_shared<FeedSearch>(FeedSearch{
        .request = *std::move(request), .until = std::chrono::steady_clock::now() + feed_search_max, .events = {}});
    for (;;) {  // in turns with others: each look is a job of its own
      search->goes_on = false;
      LongRequest wanted{
          .asker = search->request.asker, .format = search->request.format, .cancellation = exchange.cancellation()};
      auto work = [this, search] { return show_feed(*search); };
      auto out = co_await answers_.show(std::move(wanted), std::move(work));
      if (!search->goes_on) co_return out;
    }
  }

 private:
  Response show_history(const HistoryRequest& request) {
    const auto file = parts_.reader.by_id(request.client, request.id);
    if (!file) return read_failure(file.error());
    if (!*file) return http::problem(404, unknown_file);
    HistoryWalk walk{parts_.reader, *file, request.after};
    if (request.format == Format::ndjson)
      return answers_.stream(request.asker, ndjson_type,
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
      const auto codec = cursors_.codec();
      if (!codec) return read_failure(codec.error());
      const auto cursor = (*codec)->make(scope_of(request), walk.position());
      http::add_header(
          out, "Link",
          "<" + request.path + "?limit=" + std::to_string(request.limit) + "&cursor=" + cursor + R"(>; rel="next")");
    }
    return out;
  }

  Response show_feed(FeedSearch& search) {
    auto& request = search.request;
    const auto codec = cursors_.codec();  // every page has one
    if (!codec) return read_failure(codec.error());
    if (request.format == Format::ndjson)
      return answers_.stream(request.asker, ndjson_type, std::make_unique<FeedLines>(parts_.reader, request, *codec));
    store::FeedPage page;
    if (request.after) {
      const auto bytes = page_bytes - std::min(search.events.size(), page_bytes - 1);
      auto read = parts_.reader.client_events(
          request.client, {.after = *request.after, .bounds = {.events = request.limit, .bytes = bytes}});
      if (!read) return read_failure(read.error());
      page = *std::move(read);
    } else {
      const auto end = parts_.reader.feed_end();
      if (!end) return read_failure(end.error());
      page.next = {.place = *end};
    }
    for (const auto& entry : page.entries) {
      if (!search.events.empty()) search.events += ',';
      append_feed_entry(search.events, entry);
      search.events += '}';
    }
    request.limit -= page.entries.size();
    request.after = page.next;
    const bool has_room = !page.full && request.limit > 0 && search.events.size() < page_bytes;
    search.goes_on = page.more && has_room && !loop_.cutting() && std::chrono::steady_clock::now() < search.until;
    if (search.goes_on) return {};  // which nobody sees
    Response out{.status = 200, .content_type = http::json_type, .headers = {}, .body = {}};
    http::add_header(out, "Vary", "Accept");
    http::add_header(out, "Cache-Control", "no-cache");
    out.body = R"({"events":[)" + search.events;
    out.body += R"(],"next":")" + (*codec)->make(scope_of(request), page.next) + R"(","more":)";
    out.body += page.more ? "true}" : "false}";
    return out;
  }

  http::Loop& loop_;
  QueryParts parts_;
  Cursors cursors_;
  ReadGate gate_;
  LongAnswers answers_;
};

}  // namespace

void add_history_routes(http::Loop& loop, const QueryParts& parts, const ReadAccess& access) {
  auto history = std::make_shared<ReadHistory>(loop, parts, access);
  auto& router = loop.router();
  router.add("GET", "/clients/{clientKrn}/progress/{id}/events",
             [history](Exchange& exchange) { return history->history(exchange); });
  router.add("GET", "/clients/{clientKrn}/events", [history](Exchange& exchange) { return history->feed(exchange); });
}

}  // namespace pebbles::query
