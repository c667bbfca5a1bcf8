#pragma once
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>

/// What the files of this folder share. Nobody else sees prometheus-cpp.
namespace pebbles::telemetry {

/// All series. Looking a series up costs as much as thirty increments: keep references.
[[nodiscard]] prometheus::Registry& registry();

/// A family of its own with one series, which has no labels.
[[nodiscard]] prometheus::Counter& counter(const char* name, const char* help);
[[nodiscard]] prometheus::Gauge& gauge(const char* name, const char* help);
[[nodiscard]] prometheus::Histogram& histogram(const char* name, const char* help,
                                               const prometheus::Histogram::BucketBoundaries& buckets);

/// OpenTelemetry's buckets for durations, and two below them: most of what is measured here takes less than 5 ms.
extern const prometheus::Histogram::BucketBoundaries seconds_buckets;

[[nodiscard]] inline double seconds_of(std::chrono::steady_clock::duration took) {
  return std::chrono::duration<double>(took).count();
}

}  // namespace pebbles::telemetry
