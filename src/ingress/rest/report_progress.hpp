#pragma once
#include <memory>

#include "access/guard.hpp"
#include "http/loop.hpp"
#include "ingress/rest/rest_parts.hpp"

namespace pebbles::rest {

/// Adds POST /clients/{clientKrn}/progress, and the same for batches, to a loop, whose guard it is. Call once per loop,
/// before it runs. The loop's ack sinks live with its routes, so stop `ingest` before the server is destroyed.
void add_routes(http::Loop& loop, const RestParts& parts, const std::shared_ptr<access::Guard>& guard);

}  // namespace pebbles::rest
