#pragma once
#include <memory>

#include "access/guard.hpp"
#include "http/loop.hpp"
#include "ingress/rest/rest_parts.hpp"

namespace pebbles::rest {

/// Adds POST /clients/{clientKrn}/progress/batch; as `add_routes`, which calls it.
void add_batch_route(http::Loop& loop, const RestParts& parts, const std::shared_ptr<access::Guard>& guard);

}  // namespace pebbles::rest
