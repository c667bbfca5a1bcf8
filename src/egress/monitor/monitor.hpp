#pragma once
#include <functional>
#include <optional>
#include <string>

#include "http/loop.hpp"
#include "http/worker_pool.hpp"

/// What supervisors, load balancers and Prometheus ask.
namespace pebbles::monitor {

/// What the routes below use. All of it outlives the server. Threads: any.
struct MonitorParts {
  std::function<std::optional<std::string>()> trouble;     ///< why the service is not ready, if it is not; never blocks
  std::function<std::optional<std::string>()> impairment;  ///< why it serves but a part, if it does; never blocks
  std::function<std::string()> describe;                   ///< the members of a JSON object: how each part is
  std::function<std::string()> metrics;                    ///< in Prometheus' text format
  http::WorkerPool& pool;                                  ///< where the last two may take their time
};

/// Adds GET /health, /livez and /readyz to a loop, none of which asks for a token. Call before it runs.
/// /livez says that the process serves, whatever it depends on: what fails it should be started again. /readyz says
/// whether it is to be sent work. /health is /readyz, and says besides that only a part is served, as where the store
/// takes reads and no commits: nobody gains where no instance is sent anything. With `?verbose`, or
/// `Accept: application/json`, both say how each part is.
void add_health_routes(http::Loop& loop, const MonitorParts& parts);

/// Adds GET /metrics, likewise.
void add_metrics_route(http::Loop& loop, const MonitorParts& parts);

}  // namespace pebbles::monitor
