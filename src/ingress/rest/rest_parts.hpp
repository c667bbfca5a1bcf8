#pragma once
#include <cstddef>

#include "admission/client_krn.hpp"
#include "base/clock.hpp"
#include "http/fair_budget.hpp"
#include "http/worker_pool.hpp"
#include "ingest/ingest.hpp"

namespace pebbles::rest {

/// What the routes that take updates use. All that is referred to outlives the server.
struct RestParts {
  ingest::Ingest& ingest;
  const admission::ClientKrnRule& client_rule;
  const Clock& clock;
  http::WorkerPool& pool;       ///< of one thread: where large bodies are read, and the answers to batches written
  http::FairBudget& bodies;     ///< what large bodies, and what is read from them, hold together, by requester
  std::size_t items_max = 100;  ///< errors, and warnings, shown in an answer
};

}  // namespace pebbles::rest
