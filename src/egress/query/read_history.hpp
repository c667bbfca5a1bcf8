#pragma once
#include <memory>

#include "egress/query/read_progress.hpp"
#include "http/loop.hpp"

namespace pebbles::query {

/// Adds GET …/progress/{id}/events, what happened to a file, and GET /clients/{clientKrn}/events, what happens to all
/// files of a client, to a loop: pages of JSON, and NDJSON that is made while it is sent. Call once per loop, before it
/// runs.
void add_history_routes(http::Loop& loop, const QueryParts& parts, const ReadAccess& access);

}  // namespace pebbles::query
