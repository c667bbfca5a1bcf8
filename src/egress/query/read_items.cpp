#include "egress/query/read_items.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "base/hex.hpp"
#include "egress/query/asking.hpp"
#include "egress/query/cursor.hpp"
#include "egress/query/etag.hpp"
#include "egress/query/item_text.hpp"
#include "egress/query/item_walk.hpp"
#include "egress/query/long_answers.hpp"
#include "http/attachment.hpp"

namespace pebbles::query {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

/// What a page of JSON looks at, at most, where a filter takes little or updates brought nothing.
constexpr std::size_t items_looked_at_max = 10'000;
constexpr std::size_t events_looked_at_max = 10'000;
constexpr int log_pages_max = 8;  ///< of half a mebibyte, or of one event that is larger
constexpr std::chrono::milliseconds page_time_max{250};
constexpr std::size_t page_body_bytes = 2UL << 20U;  ///< and then it ends, however few items that are
constexpr std::ptrdiff_t contains_characters_max = 256;
constexpr std::size_t events_per_page_max = 2'000;

constexpr std::array<std::string_view, 8> parameters{"limit",    "cursor", "lineFrom", "lineTo",
                                                     "contains", "format", "bom",      "delimiter"};

/// How a table of CSV is written.
struct TableStyle {
  char delimiter = ',';  ///< European versions of Excel expect a semicolon
  bool with_bom = false;
};

/// Everything that an answer depends on, checked.
struct ItemRequest {
  domain::ClientKrn client;
  http::Asker asker;
  domain::FileId id{};
  ItemKind kind = ItemKind::errors;
  ItemFilter filter;
  ItemPosition from;
  Format format = Format::json;
  std::size_t limit = 0;
  TableStyle style;
  std::string path;  ///< of links
  std::string if_none_match;
};

std::string_view name_of(ItemKind kind) { return kind == ItemKind::errors ? "errors" : "warnings"; }

CursorScope scope_of(const ItemRequest& request) {
  CursorScope out{request.kind == ItemKind::errors ? CursorKind::errors : CursorKind::warnings, request.client};
  out.add(std::string_view{reinterpret_cast<const char*>(request.id.data()), request.id.size()});
  out.add(request.filter.line_from).add(request.filter.line_to);
  return out.add(request.filter.contains ? std::string_view{request.filter.contains->wanted()} : std::string_view{});
}

std::expected<std::optional<std::int64_t>, Response> read_line(const Exchange& exchange, std::string_view name) {
  const auto* const text = exchange.parameter(name);
  if (text == nullptr) return std::nullopt;
  const auto line = read_number(*text);
  if (!line) return std::unexpected{invalid(std::string{name} + " must be a whole number above 0")};
  return line;
}

std::expected<ItemFilter, Response> read_filter(const Exchange& exchange) {
  ItemFilter out;
  PEBBLES_TRY(from, read_line(exchange, "lineFrom"));
  PEBBLES_TRY(to, read_line(exchange, "lineTo"));
  out.line_from = from;
  out.line_to = to;
  if (const auto* text = exchange.parameter("contains")) {
    const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80; };
    if (text->empty() || std::ranges::count_if(*text, begins) > contains_characters_max)
      return std::unexpected{invalid("contains must have 1 to 256 characters")};
    out.contains.emplace(*text);
  }
  return out;
}

std::expected<TableStyle, Response> read_style(const Exchange& exchange) {
  TableStyle out;
  if (const auto* bom = exchange.parameter("bom")) {
    if (*bom != "true" && *bom != "false") return std::unexpected{invalid("bom must be true or false")};
    out.with_bom = *bom == "true";
  }
  if (const auto* delimiter = exchange.parameter("delimiter")) {
    if (*delimiter != "," && *delimiter != ";") return std::unexpected{invalid("delimiter must be , or ;")};
    out.delimiter = delimiter->front();
  }
  return out;
}

std::expected<ItemRequest, Response> read_request(const Exchange& exchange, ItemKind kind, const QueryOptions& options,
                                                  Cursors& cursors) {
  ItemRequest out;
  out.client = domain::ClientKrn{std::string{exchange.capture(0)}};
  out.kind = kind;
  PEBBLES_TRY(filter, read_filter(exchange));
  out.filter = filter;
  constexpr std::array formats{Format::json, Format::ndjson, Format::csv};
  PEBBLES_TRY(format, read_format(exchange, formats));
  out.format = format;
  // A table is whole unless somebody asks for less.
  PEBBLES_TRY(limit, format == Format::json ? read_limit(exchange, options.limit_default, options.limit_max)
                                            : read_limit(exchange, SIZE_MAX, SIZE_MAX));
  out.limit = limit;
  PEBBLES_TRY(style, read_style(exchange));
  out.style = style;
  const auto id = read_id(exchange.capture(1));
  if (!id) return std::unexpected{http::problem(404, unknown_file)};
  out.id = *id;
  out.path = path_of_files(options, out.client).append("/").append(to_hex(*id)).append("/").append(name_of(kind));
  if (const auto* cursor = exchange.parameter("cursor")) {
    const auto codec = cursors.codec();
    if (!codec) return std::unexpected{read_failure(codec.error())};
    const auto place = (*codec)->read_item(scope_of(out), *cursor);
    if (!place) return std::unexpected{bad_cursor("cursor", "one of this list")};
    out.from = *place;
  }
  out.if_none_match = exchange.combined_header("If-None-Match");
  return out;
}

void add_next_page(Response& out, const ItemRequest& request, const ItemPosition& position, const CursorCodec& codec) {
  std::string link = "<" + request.path + "?limit=" + std::to_string(request.limit);
  if (request.filter.line_from) link += "&lineFrom=" + std::to_string(*request.filter.line_from);
  if (request.filter.line_to) link += "&lineTo=" + std::to_string(*request.filter.line_to);
  if (request.filter.contains) {
    link += "&contains=";
    http::append_percent_encoded(link, request.filter.contains->wanted());
  }
  link += "&cursor=" + codec.make(scope_of(request), position) + R"(>; rel="next")";
  http::add_header(out, "Link", link);
}

/// Fills the page; true when there may be more after it. It ends by what it shows, by what it looks at, and by its
/// time, and always gets further by a page of the log.
Result<bool> fill_page(std::string& body, ItemWalk& walk, const ItemRequest& request) {
  const auto until = std::chrono::steady_clock::now() + page_time_max;
  int log_pages = 1;
  std::size_t looked_at = 0, shown = 0;
  for (;;) {
    PEBBLES_TRY(step, walk.next());
    if (step == ItemWalk::Step::end) return false;
    if (step == ItemWalk::Step::pause) {
      const bool is_over = ++log_pages > log_pages_max || std::chrono::steady_clock::now() > until;
      if (is_over || walk.events_read() > events_looked_at_max) return true;
      continue;
    }
    ++looked_at;
    if (request.filter.takes(walk.item())) {
      if (shown++ > 0) body += ',';
      append_item_json(body, walk);
    }
    if (shown == request.limit || looked_at == items_looked_at_max || body.size() >= page_body_bytes) return true;
  }
}

Response walk_failure(const Error& error, ItemKind kind) {
  if (error.code == Errc::not_found)
    return http::problem(
        410, "The " + std::string{name_of(kind)} + " behind this cursor were taken by retention: begin again");
  return read_failure(error);
}

Response show_page(store::ProgressReader& reader, const store::SnapshotPtr& file, const ItemRequest& request,
                   Cursors& cursors) {
  // A small page reads no more of the log than it is likely to need.
  constexpr std::size_t events_min = 64;
  const auto events = std::clamp(request.limit, events_min, events_per_page_max);
  ItemWalk walk{reader, file, request.kind, request.from, events};
  // The tag names the baseline: else who begins again would hear that its old page, with its old link, is still so.
  if (const auto begun = walk.begin(); !begun) return walk_failure(begun.error(), request.kind);
  const TagScope scope{.items_max = request.limit, .stalled_before = {}, .baseline = walk.baseline()};
  auto out = tagged(request.if_none_match, tag_of(*file, scope));
  http::add_header(out, "Vary", "Accept");
  if (out.status == 304) return out;
  out.content_type = http::json_type;
  out.body += '[';
  const auto more = fill_page(out.body, walk, request);
  if (!more) return walk_failure(more.error(), request.kind);
  out.body += ']';
  if (!*more) return out;
  const auto codec = cursors.codec();
  if (!codec) return read_failure(codec.error());
  add_next_page(out, request, walk.position(), **codec);
  return out;
}

class ItemTable final : public http::BodySource {
 public:
  ItemTable(ItemWalk walk, ItemFilter filter, Format format, std::size_t limit, const TableStyle& style)
      : walk_{std::move(walk)}, filter_{std::move(filter)}, format_{format}, delimiter_{style.delimiter}, left_{limit} {
    if (format_ != Format::csv) return;
    if (style.with_bom) beginning_ += "\xef\xbb\xbf";
    append_csv_header(beginning_, delimiter_);
  }

  Result<bool> next(std::string& out) override {
    out += std::exchange(beginning_, {});
    while (out.size() < piece_bytes) {
      PEBBLES_TRY(step, walk_.next());
      if (step == ItemWalk::Step::end) return false;
      if (step == ItemWalk::Step::pause) {
        if (++pauses_ % pauses_max == 0) return true;  // where little is found others have their turn
        continue;
      }
      if (!filter_.takes(walk_.item())) continue;
      append(out);
      if (--left_ == 0) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t pauses_max = 8;

  void append(std::string& out) const {
    if (format_ == Format::csv) return append_item_csv(out, walk_, delimiter_);
    append_item_json(out, walk_);
    out += '\n';
  }

  ItemWalk walk_;
  const ItemFilter filter_;
  const Format format_;
  const char delimiter_;
  std::size_t left_;
  std::size_t pauses_ = 0;
  std::string beginning_;
};

class ReadItems {
 public:
  ReadItems(http::Loop& loop, const QueryParts& parts, ReadAccess access)
      : parts_{parts},
        cursors_{parts.reader},
        gate_{parts.client_rule, std::move(access)},
        answers_{loop, parts.logs} {}

  Task<Response> get(Exchange& exchange, ItemKind kind) {
    exchange.note(exchange.capture(0));
    if (auto refused = co_await gate_.refuse(exchange, parameters)) co_return *std::move(refused);
    auto request = read_request(exchange, kind, parts_.options, cursors_);
    if (!request) co_return std::move(request).error();
    request->asker = gate_.asker(exchange);
    LongRequest wanted{.asker = request->asker, .format = request->format, .cancellation = exchange.cancellation()};
    auto work = [this, asked = *std::move(request)]() mutable { return answer(std::move(asked)); };
    co_return co_await answers_.show(std::move(wanted), std::move(work));
  }

 private:
  Response answer(ItemRequest request) {
    const auto file = parts_.reader.by_id(request.client, request.id);
    if (!file) return read_failure(file.error());
    if (!*file) return http::problem(404, unknown_file);
    if (request.format == Format::json) return show_page(parts_.reader, *file, request, cursors_);
    return show_table(*file, std::move(request));
  }

  Response show_table(const store::SnapshotPtr& file, ItemRequest request) const {
    const bool is_csv = request.format == Format::csv;
    ItemWalk walk{parts_.reader, file, request.kind, request.from, events_per_page_max};
    if (const auto begun = walk.begin(); !begun) return walk_failure(begun.error(), request.kind);
    auto table = std::make_unique<ItemTable>(std::move(walk), std::move(request.filter), request.format, request.limit,
                                             request.style);
    auto out = answers_.stream(request.asker, is_csv ? csv_type : ndjson_type, std::move(table));
    const auto ending = "-" + std::string{name_of(request.kind)} + (is_csv ? ".csv" : ".ndjson");
    http::add_header(out, "Content-Disposition", http::attachment(*file->stream.filename, ending));
    return out;
  }

  QueryParts parts_;
  Cursors cursors_;
  ReadGate gate_;
  LongAnswers answers_;
};

}  // namespace

void add_item_routes(http::Loop& loop, const QueryParts& parts, const ReadAccess& access) {
  auto items = std::make_shared<ReadItems>(loop, parts, access);
  auto& router = loop.router();
  router.add("GET", "/clients/{clientKrn}/progress/{id}/errors",
             [items](Exchange& exchange) { return items->get(exchange, ItemKind::errors); });
  router.add("GET", "/clients/{clientKrn}/progress/{id}/warnings",
             [items](Exchange& exchange) { return items->get(exchange, ItemKind::warnings); });
}

}  // namespace pebbles::query
