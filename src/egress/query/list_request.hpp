#pragma once
#include <array>
#include <expected>
#include <string>
#include <string_view>

#include "egress/query/cursor.hpp"
#include "egress/query/read_progress.hpp"
#include "http/exchange.hpp"
#include "http/response.hpp"

/// What a request for a list asks, out of its query parameters and back into them.
namespace pebbles::query {

/// Everything that a list depends on, checked.
struct ListRequest {
  domain::ClientKrn client;
  store::ListQuery query;
};

/// Those that a list knows, and `filename`.
inline constexpr std::array<std::string_view, 9> list_parameters{
    "filename", "email", "status", "filenamePrefix", "createdAfter", "updatedAfter", "sort", "limit", "cursor"};

/// The error is the answer to give. `now` is what files are stalled by.
[[nodiscard]] std::expected<ListRequest, http::Response> read_list_request(const http::Exchange& exchange,
                                                                           const QueryOptions& options, Timestamp now,
                                                                           Cursors& cursors);

/// Where the list goes on from a place in it: an absolute URL, or an absolute path (`path_of_files`). Empty where no
/// cursor can name the place.
[[nodiscard]] std::string page_reference(const ListRequest& request, const QueryOptions& options,
                                         const store::ListPosition& position, const CursorCodec& codec);

}  // namespace pebbles::query
