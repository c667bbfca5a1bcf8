#pragma once
#include <memory>

#include "access/guard.hpp"
#include "admission/client_krn.hpp"
#include "base/clock.hpp"
#include "http/loop.hpp"
#include "http/worker_pool.hpp"
#include "ingest/ingest.hpp"
#include "store/progress_reader.hpp"

namespace pebbles::rest {

/// What the route below uses. All that is referred to outlives the server.
struct DeleteParts {
  ingest::Ingest& ingest;
  store::ProgressReader& reader;
  http::WorkerPool& pool;  ///< where the reader may block
  const admission::ClientKrnRule& client_rule;
  const Clock& clock;
};

/// Adds DELETE /clients/{clientKrn}/progress/{id} to a loop, whose guard it is. Call once per loop, before it runs.
/// Stop `ingest` before the server is destroyed.
void add_delete_route(http::Loop& loop, const DeleteParts& parts, std::shared_ptr<access::Guard> guard);

}  // namespace pebbles::rest
