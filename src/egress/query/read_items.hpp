#pragma once
#include <memory>

#include "access/guard.hpp"
#include "egress/query/read_progress.hpp"
#include "http/loop.hpp"

namespace pebbles::query {

/// Adds GET …/progress/{id}/errors and …/warnings to a loop: pages of JSON, and whole tables as CSV or NDJSON, made
/// while they are sent. Call once per loop, before it runs.
void add_item_routes(http::Loop& loop, const QueryParts& parts, const std::shared_ptr<access::Guard>& guard);

}  // namespace pebbles::query
