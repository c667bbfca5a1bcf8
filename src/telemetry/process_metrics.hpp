#pragma once
#include <prometheus/metric_family.h>

#include <vector>

namespace pebbles::telemetry {

/// One gauge or counter, made on the spot.
[[nodiscard]] prometheus::MetricFamily family_of(const char* name, const char* help, prometheus::MetricType type,
                                                 double value);

/// What /proc says of this process, under the names that Prometheus' client libraries share. What cannot be read is
/// left out.
[[nodiscard]] std::vector<prometheus::MetricFamily> process_metrics();

}  // namespace pebbles::telemetry
