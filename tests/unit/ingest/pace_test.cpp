#include "ingest/pace.hpp"

#include <gtest/gtest.h>

namespace pebbles::ingest {
namespace {

using namespace std::chrono_literals;

Pace after(std::vector<std::pair<std::size_t, std::chrono::milliseconds>> batches) {
  Pace pace;
  Pace::Time now{1h};
  for (const auto& [updates, took] : batches) {
    pace.begin(updates, now);
    now += took;
    pace.end(now);
  }
  return pace;
}

double ms(Pace::Duration time) { return std::chrono::duration<double, std::milli>{time}.count(); }

TEST(Pace, LearnsWhatAnUpdateTakes) {
  struct Case {
    const char* what;
    std::vector<std::pair<std::size_t, std::chrono::milliseconds>> batches;
    double thousand_ms;  ///< what a thousand updates take
    std::size_t in_100ms;
  };
  const std::vector<Case> cases{
      {"nothing is known", {}, 0, 1'000'000'000},
      {"large batches", std::vector(30, std::pair{1000UL, 1000ms}), 1000, Pace::telling},
      {"quick large batches", std::vector(30, std::pair{10'000UL, 100ms}), 10, 10'000},
      {"single updates say little", std::vector(30, std::pair{1UL, 5ms}), 19.5, 5'120},
      {"half is forgotten with each", {{1000, 1000ms}, {1000, 0ms}}, 250, 400},
  };
  for (const auto& [what, batches, thousand_ms, in_100ms] : cases) {
    const auto pace = after(batches);
    EXPECT_NEAR(ms(pace.for_updates(1000)), thousand_ms, 0.1) << what;
    EXPECT_NEAR(static_cast<double>(pace.updates_in(100ms)), static_cast<double>(in_100ms), 1) << what;
  }
}

TEST(Pace, KnowsForHowLongABatchIsUnderWay) {
  Pace pace;
  const Pace::Time now{2h};
  EXPECT_EQ(pace.elapsed(now), 0ms);
  pace.begin(500, now);
  EXPECT_EQ(pace.elapsed(now + 900ms), 900ms);
  pace.end(now + 900ms);
  EXPECT_EQ(pace.elapsed(now + 901ms), 0ms);
}

}  // namespace
}  // namespace pebbles::ingest
