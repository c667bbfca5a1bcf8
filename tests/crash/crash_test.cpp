#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <ostream>

#include "crash/crash_run.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::crash {
namespace {

std::optional<std::uint64_t> number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::optional{std::strtoull(text, nullptr, 10)} : std::nullopt;
}

class PowerCut : public testing::Test {
 protected:
  PowerCut() { (void)telemetry::start_log("off", telemetry::LogFormat::text); }
};

/// `PEBBLES_SEEDS=N` runs the first N seeds, `PEBBLES_SEED=X` replays one. A failure names its seed.
TEST_F(PowerCut, LosesNothingAcknowledgedAndDoublesNothing) {
  const auto one = number_in_environment("PEBBLES_SEED");
  const std::uint64_t first = one.value_or(1);
  const std::uint64_t last = one ? *one : number_in_environment("PEBBLES_SEEDS").value_or(200);
  const auto start = std::chrono::steady_clock::now();
  Seen seen;
  int failures = 0;
  for (auto seed = first; seed <= last && failures < 5; ++seed) {
    const auto report = run(seed);
    seen.add(report.seen);
    failures += report.failure ? 1 : 0;
    EXPECT_FALSE(report.failure) << "seed " << seed << ": " << *report.failure << "\nreplay: PEBBLES_SEED=" << seed
                                 << " crash_tests";
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  fmt::print(
      "{} seeds in {:.1f} s; {} cuts, {} while opening or closing, {} with updates in flight; acknowledged {}, "
      "in flight {} kept and {} lost, replayed {}, failed writes {}\n",
      last - first + 1, took.count(), seen.cuts, seen.cuts_while_opening, seen.cuts_with_updates_in_flight,
      seen.acknowledged, seen.in_flight_kept, seen.in_flight_lost, seen.replayed, seen.failed_writes);
  if (one || last < 200 || failures > 0) return;
  // Runs that never come there prove nothing.
  EXPECT_GT(seen.cuts_while_opening, 0);
  EXPECT_GT(seen.in_flight_kept, 0);
  EXPECT_GT(seen.in_flight_lost, 0);
  EXPECT_GT(seen.replayed, 0);
  EXPECT_GT(seen.failed_writes, 0);
}

/// With one guard away the same checks have to fail.
struct Control {
  const char* name;
  Broken broken;
};

void PrintTo(const Control& control, std::ostream* out) { *out << control.name; }

class NegativeControl : public PowerCut, public testing::WithParamInterface<Control> {};

TEST_P(NegativeControl, IsNoticed) {
  constexpr std::uint64_t seeds = 50;
  int noticed = 0;
  std::string first;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto report = run(seed, GetParam().broken);
    if (!report.failure) continue;
    if (noticed++ == 0) first = fmt::format("seed {}: {}", seed, *report.failure);
  }
  fmt::print("noticed by {} of {} seeds, first by {}\n", noticed, seeds, first);
  EXPECT_GT(noticed, 0);
}

INSTANTIATE_TEST_SUITE_P(Guards, NegativeControl,
                         testing::Values(Control{"nothing_is_synced", {.not_durable = true}},
                                         Control{"log_syncs_are_ignored", {.syncs_ignored_of = "-wal"}},
                                         Control{"database_syncs_are_ignored", {.syncs_ignored_of = ".db"}}),
                         [](const testing::TestParamInfo<Control>& control) {
                           return std::string{control.param.name};
                         });

}  // namespace
}  // namespace pebbles::crash
