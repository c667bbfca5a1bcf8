#pragma once
#include <string_view>

#include "http/loop.hpp"

/// The API's own description. Every route of the server stands in openapi.json, by hand; a test compares the two.
namespace pebbles::docs {

/// Adds GET /openapi.json and GET /api-docs to a loop; neither ever asks for a token. `version` is the server's.
/// Call once per loop, before it runs.
void add_routes(http::Loop& loop, std::string_view version);

}  // namespace pebbles::docs
