#pragma once
#include <memory>

#include "admission/client_krn.hpp"
#include "base/clock.hpp"
#include "egress/query/query_options.hpp"
#include "egress/query/read_access.hpp"
#include "http/loop.hpp"
#include "http/worker_pool.hpp"
#include "store/progress_reader.hpp"

namespace pebbles::query {

/// What the routes below use. All of it outlives the server.
struct QueryParts {
  store::ProgressReader& reader;
  const Clock& clock;
  const admission::ClientKrnRule& client_rule;
  http::WorkerPool& pool;   ///< where the reader may block
  http::WorkerPool& lists;  ///< where it reads lists, which take long
  http::WorkerPool& logs;   ///< where it reads the log: tables, histories, past states
  QueryOptions options;
};

/// Adds GET /clients/{clientKrn}/progress and GET /clients/{clientKrn}/progress/{id}, also as it was `?at=` a moment,
/// to a loop. Call once per loop, before it runs. With a guard, which is the loop's, they ask for a token.
void add_routes(http::Loop& loop, const QueryParts& parts, ReadAccess access);

}  // namespace pebbles::query
