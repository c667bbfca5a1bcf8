#include "telemetry/http_metrics.hpp"

#include <algorithm>

#include "telemetry/registry.hpp"

namespace pebbles::telemetry {
namespace {

prometheus::Histogram& series_of(const std::string& method, const std::string& route, std::size_t status_class) {
  static auto& family = prometheus::BuildHistogram()
                            .Name("pebbles_http_request_duration_seconds")
                            .Help("From a request's head to its answer, by route, method and class of status.")
                            .Register(registry());
  return family.Add({{"route", route}, {"method", method}, {"status", std::to_string(status_class) + "xx"}},
                    seconds_buckets);
}

}  // namespace

void HttpRoute::answered(int status, std::chrono::steady_clock::duration took) {
  const auto status_class = static_cast<std::size_t>(std::clamp(status / 100, 1, 5));
  auto* series = by_class_.at(status_class).load(std::memory_order_acquire);
  if (series == nullptr) {  // whoever comes first: the same series is found twice
    series = &series_of(method_, route_, status_class);
    by_class_.at(status_class).store(series, std::memory_order_release);
  }
  series->Observe(seconds_of(took));
}

void connections_refused(std::size_t count) {
  static auto& refused = counter("pebbles_http_connections_refused_total",
                                 "Connections that were closed at once because there were too many.");
  refused.Increment(static_cast<double>(count));
}

}  // namespace pebbles::telemetry
