#pragma once
#include <memory>

#include "egress/query/read_progress.hpp"
#include "http/loop.hpp"

namespace pebbles::query {

/// Adds GET …/progress/{id}/errors and …/warnings to a loop: pages of JSON, and whole tables as CSV or NDJSON, made
/// while they are sent. Call once per loop, before it runs.
void add_item_routes(http::Loop& loop, const QueryParts& parts, const ReadAccess& access);

}  // namespace pebbles::query
