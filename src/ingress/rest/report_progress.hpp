#pragma once
#include <cstddef>
#include <memory>

#include "access/guard.hpp"
#include "admission/client_krn.hpp"
#include "base/clock.hpp"
#include "http/loop.hpp"
#include "ingest/ingest.hpp"

namespace pebbles::rest {

/// What the route below uses. All that is referred to outlives the server.
struct RestParts {
  ingest::Ingest& ingest;
  const admission::ClientKrnRule& client_rule;
  const Clock& clock;
  std::size_t items_max = 100;  ///< errors, and warnings, shown in an answer
};

/// Adds POST /clients/{clientKrn}/progress to a loop, whose guard it is. Call once per loop, before it runs. The loop's
/// ack sink lives with its routes, so stop `ingest` before the server is destroyed.
void add_routes(http::Loop& loop, const RestParts& parts, std::shared_ptr<access::Guard> guard);

}  // namespace pebbles::rest
