#include "egress/query/list_request.hpp"

#include <algorithm>
#include <array>

#include "egress/query/asking.hpp"

namespace pebbles::query {

using http::Exchange;
using http::Response;
using store::ListOrder;
using store::ListStatus;

namespace {

struct NamedStatus {
  std::string_view name;
  ListStatus status;
};
constexpr std::array statuses{
    NamedStatus{"running", ListStatus::running}, NamedStatus{"completed", ListStatus::completed},
    NamedStatus{"with-errors", ListStatus::with_errors}, NamedStatus{"with-warnings", ListStatus::with_warnings},
    NamedStatus{"stalled", ListStatus::stalled}};

struct NamedSort {
  std::string_view name;
  store::ListSort sort;
};
constexpr std::array sorts{NamedSort{"-updatedAt", {.by = ListOrder::updated, .descending = true}},
                           NamedSort{"updatedAt", {.by = ListOrder::updated, .descending = false}},
                           NamedSort{"-createdAt", {.by = ListOrder::created, .descending = true}},
                           NamedSort{"createdAt", {.by = ListOrder::created, .descending = false}},
                           NamedSort{"-filename", {.by = ListOrder::filename, .descending = true}},
                           NamedSort{"filename", {.by = ListOrder::filename, .descending = false}}};

/// What is wrong with the filters, if anything.
std::optional<std::string_view> read_filters(const Exchange& exchange, store::ListQuery& query) {
  if (const auto* email = exchange.parameter("email")) query.owner = domain::Email{*email};
  if (const auto* status = exchange.parameter("status")) {
    const auto* const named = std::ranges::find(statuses, *status, &NamedStatus::name);
    if (named == statuses.end()) return "status must be running, completed, with-errors, with-warnings or stalled";
    query.status = named->status;
  }
  if (const auto* prefix = exchange.parameter("filenamePrefix")) {
    if (prefix->empty()) return "filenamePrefix must not be empty";
    query.filename_prefix = *prefix;
  }
  if (const auto* after = exchange.parameter("createdAfter")) {
    query.created_after = from_rfc3339(*after);
    if (!query.created_after) return "createdAfter must be a time such as 2025-06-04T12:40:07.512Z";
  }
  if (const auto* after = exchange.parameter("updatedAfter")) {
    query.updated_after = from_rfc3339(*after);
    if (!query.updated_after) return "updatedAfter must be a time such as 2025-06-04T12:40:07.512Z";
  }
  return std::nullopt;
}

std::optional<std::string_view> read_order(const Exchange& exchange, store::ListQuery& query) {
  const auto* const sort = exchange.parameter("sort");
  if (sort == nullptr) return std::nullopt;
  const auto* const named = std::ranges::find(sorts, *sort, &NamedSort::name);
  if (named == sorts.end()) return "sort must be updatedAt, createdAt or filename, with - in front for the other way";
  query.sort = named->sort;
  return std::nullopt;
}

}  // namespace

std::expected<ListRequest, Response> read_list_request(const Exchange& exchange, const QueryOptions& options,
                                                       Timestamp now, Cursors& cursors) {
  ListRequest out{.client = domain::ClientKrn{std::string{exchange.capture(0)}}, .query = {}};
  auto& query = out.query;
  query.stalled_before = now - options.stalled_after;
  query.examined_max = options.examined_max;
  if (const auto wrong = read_filters(exchange, query)) return std::unexpected{invalid(*wrong)};
  if (const auto wrong = read_order(exchange, query)) return std::unexpected{invalid(*wrong)};
  PEBBLES_TRY(limit, read_limit(exchange, options.limit_default, options.limit_max));
  query.limit = limit;
  if (const auto* cursor = exchange.parameter("cursor")) {
    const auto codec = cursors.codec();
    if (!codec) return std::unexpected{read_failure(codec.error())};
    query.after = (*codec)->read_list(scope_of(out.client, query), query, *cursor);
    if (!query.after) return std::unexpected{bad_cursor("cursor", "one of this list")};
  }
  return out;
}

std::string page_reference(const ListRequest& request, const QueryOptions& options, const store::ListPosition& position,
                           const CursorCodec& codec) {
  const auto& query = request.query;
  const auto cursor = codec.make(scope_of(request.client, query), query.sort, position);
  if (cursor.empty()) return {};
  std::string out = path_of_files(options, request.client) + "?limit=" + std::to_string(query.limit);
  const auto add = [&](std::string_view name, std::string_view value) {
    out.append("&").append(name).append("=");
    http::append_percent_encoded(out, value);
  };
  if (query.owner) add("email", **query.owner);
  if (query.status) add("status", std::ranges::find(statuses, *query.status, &NamedStatus::status)->name);
  if (!query.filename_prefix.empty()) add("filenamePrefix", query.filename_prefix);
  if (query.created_after) add("createdAfter", to_rfc3339(*query.created_after));
  if (query.updated_after) add("updatedAfter", to_rfc3339(*query.updated_after));
  if (query.sort != store::ListSort{}) add("sort", std::ranges::find(sorts, query.sort, &NamedSort::sort)->name);
  return out + "&cursor=" + cursor;
}

}  // namespace pebbles::query
