#include "telemetry/registry.hpp"

namespace pebbles::telemetry {

const prometheus::Histogram::BucketBoundaries seconds_buckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
                                                              0.25,  0.5,    0.75,  1,    2.5,   5,    7.5,   10};

prometheus::Registry& registry() {
  static prometheus::Registry all;
  return all;
}

prometheus::Counter& counter(const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry()).Add({});
}

prometheus::Gauge& gauge(const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry()).Add({});
}

prometheus::Histogram& histogram(const char* name, const char* help,
                                 const prometheus::Histogram::BucketBoundaries& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry()).Add({}, buckets);
}

}  // namespace pebbles::telemetry
