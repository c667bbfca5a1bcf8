#pragma once
#include <cstddef>

#include "admission/client_krn.hpp"
#include "auth/token_verifier.hpp"
#include "base/clock.hpp"
#include "http/loop.hpp"
#include "ingest/ingest.hpp"

namespace pebbles::rest {

/// What the route below uses. All that is referred to outlives the server.
struct RestParts {
  ingest::Ingest& ingest;
  const admission::ClientKrnRule& client_rule;
  const Clock& clock;
  auth::VerifierOptions tokens;  ///< each loop gets a verifier of its own
  std::size_t items_max = 100;   ///< errors, and warnings, shown in an answer
};

/// Adds POST /clients/{clientKrn}/progress to a loop. Call once per loop, before it runs. The loop's ack sink lives
/// with its routes, so stop `ingest` before the server is destroyed.
void add_routes(http::Loop& loop, const RestParts& parts);

}  // namespace pebbles::rest
