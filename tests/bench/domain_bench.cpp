#include <benchmark/benchmark.h>

#include "domain/decide.hpp"

/// What the rules alone cost: one update decided and folded, on one core, without I/O.
namespace pebbles::domain {
namespace {

Report typical_report() {
  Report report;
  report.by = Email{"user@acme.com"};
  report.at = Timestamp{std::chrono::milliseconds{1704103200000}};
  report.what.counts = {.done = 500, .warn = 2, .failed = 1};
  report.what.total = 10'000'000;
  return report;
}

void fold(benchmark::State& state, const Report& report) {
  const Command command = report;
  Progress now;
  for (auto _ : state) {
    auto decision = decide(now, command, nullptr);
    now = evolve(std::move(now), std::get<Accepted>(decision).event);
    benchmark::DoNotOptimize(now);
  }
  state.SetItemsProcessed(state.iterations());
}

void decide_and_evolve(benchmark::State& state) { fold(state, typical_report()); }
BENCHMARK(decide_and_evolve);

void decide_and_evolve_with_key(benchmark::State& state) {
  auto report = typical_report();
  report.key = EventKey{.text = "p:3f6c2d1e-8a4b-4c9d-9e7f-0a1b2c3d4e5f", .hash = {}, .fingerprint = {}};
  fold(state, report);
}
BENCHMARK(decide_and_evolve_with_key);

void decide_and_evolve_with_error(benchmark::State& state) {
  auto report = typical_report();
  report.what.errors = ItemList{{{.line = 145, .message = "Invalid format"}}};
  fold(state, report);
}
BENCHMARK(decide_and_evolve_with_error);

}  // namespace
}  // namespace pebbles::domain

BENCHMARK_MAIN();
