#pragma once
#include "egress/query/read_progress.hpp"

namespace pebbles::query {

/// Adds GET /clients/{clientKrn}/summary to a loop, as `add_routes` does its routes.
void add_summary_route(http::Loop& loop, const QueryParts& parts, ReadAccess access);

}  // namespace pebbles::query
