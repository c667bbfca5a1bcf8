#include "telemetry/metrics.hpp"

#include <prometheus/text_serializer.h>

#include <iterator>

#include "telemetry/http_metrics.hpp"
#include "telemetry/ingest_metrics.hpp"
#include "telemetry/process_metrics.hpp"
#include "telemetry/registry.hpp"
#include "telemetry/store_metrics.hpp"
#include "telemetry/unreadable.hpp"

namespace pebbles::telemetry {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily build_info(std::string_view version) {
  auto out = family_of("pebbles_build_info", "1, with the version of this instance.", MetricType::Gauge, 1);
  out.metric.front().label.push_back({.name = "version", .value = std::string{version}});
  return out;
}

MetricFamily pool(const Readings& readings) {
  auto out = family_of("pebbles_store_pool_connections",
                       "Connections to the store that are in use and idle, and threads that wait for one.",
                       MetricType::Gauge, 0);
  out.metric.clear();
  for (const auto& [state, count] : {std::pair{"in_use", readings.pool_in_use}, std::pair{"idle", readings.pool_idle},
                                     std::pair{"waiting", readings.pool_waiting}}) {
    auto& metric = out.metric.emplace_back();
    metric.label.push_back({.name = "state", .value = state});
    metric.gauge.value = static_cast<double>(count);
  }
  return out;
}

void add(std::vector<MetricFamily>& out, const Readings& readings) {
  const auto gauge = [&out](const char* name, const char* help, auto value) {
    out.push_back(family_of(name, help, MetricType::Gauge, static_cast<double>(value)));
  };
  out.push_back(build_info(readings.version));
  gauge("pebbles_ready", "Whether this instance takes part: 1, or 0 while /readyz says 503.", readings.ready ? 1 : 0);
  gauge("pebbles_http_connections", "Open connections.", readings.connections);
  gauge("pebbles_queue_updates", "Updates that wait for their lane.", readings.queued_updates);
  out.push_back(pool(readings));
  if (readings.clock_difference)
    gauge("pebbles_clock_difference_seconds", "How far this machine's clock is ahead of the database's.",
          std::chrono::duration<double>(*readings.clock_difference).count());
}

}  // namespace

void start_metrics(std::size_t clients_max) {
  name_failing_clients(clients_max);
  connections_refused(0);
  log_grew(0, 0);
  refresh_unreadable_records();
}

std::string metrics_text(const Readings& readings) {
  refresh_unreadable_records();
  auto families = registry().Collect();
  add(families, readings);
  auto process = process_metrics();
  families.insert(families.end(), std::move_iterator{process.begin()}, std::move_iterator{process.end()});
  return prometheus::TextSerializer{}.Serialize(families);
}

}  // namespace pebbles::telemetry
