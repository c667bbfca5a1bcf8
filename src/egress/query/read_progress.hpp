#pragma once
#include <chrono>
#include <cstddef>
#include <memory>

#include "access/guard.hpp"
#include "admission/client_krn.hpp"
#include "base/clock.hpp"
#include "http/loop.hpp"
#include "http/worker_pool.hpp"
#include "store/progress_reader.hpp"

namespace pebbles::query {

struct QueryOptions {
  std::size_t limit_default = 1'000;
  std::size_t limit_max = 10'000;           ///< a larger `limit` is cut to this
  std::size_t items_max = 100;              ///< errors, and warnings, shown in a record
  std::size_t examined_max = 10'000;        ///< entries that a page of a list looks at
  std::chrono::seconds stalled_after{300};  ///< without an update, a file that is not completed is stalled
};

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
void add_routes(http::Loop& loop, const QueryParts& parts, std::shared_ptr<access::Guard> guard);

}  // namespace pebbles::query
