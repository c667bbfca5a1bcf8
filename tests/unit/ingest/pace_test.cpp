#include "ingest/pace.hpp"

#include <gtest/gtest.h>

namespace pebbles::ingest {
namespace {

using namespace std::chrono_literals;

/// Thirty batches of these sizes, in turns, which take what `ms_of` says.
template <class Time>
Pace after(const std::vector<std::size_t>& sizes, Time ms_of) {
  Pace pace;
  Pace::Time now{1h};
  for (std::size_t i = 0; i < 30; ++i) {
    const auto updates = sizes[i % sizes.size()];
    pace.begin(updates, now);
    now += std::chrono::duration_cast<Pace::Duration>(std::chrono::duration<double, std::milli>{ms_of(updates)});
    pace.end(now);
  }
  return pace;
}

double ms(Pace::Duration time) { return std::chrono::duration<double, std::milli>{time}.count(); }

TEST(Pace, LearnsWhatAnotherUpdateAdds) {
  struct Case {
    const char* what;
    std::vector<std::size_t> sizes;
    double batch_ms;
    double update_ms;
    double thousand_ms;  ///< that a thousand more add
    std::size_t in_100ms;
  };
  const std::vector<Case> cases{
      {"each update costs", {500, 1000, 700}, 0, 1, 1000, Pace::few},
      {"each costs little", {5000, 10'000, 20'000}, 0, 0.01, 10, 10'000},
      {"batches cost", {50, 100, 200}, 300, 0, 0, 1'000'000'000},
      {"both cost", {500, 1000, 2000}, 300, 0.1, 100, 1000},
      {"single updates tell nothing", {1}, 5, 0, 0, 1'000'000'000},
      {"batches of one size tell nothing", {1000}, 0, 1, 0, 1'000'000'000},
  };
  for (const auto& [what, sizes, batch_ms, update_ms, thousand_ms, in_100ms] : cases) {
    const auto pace = after(sizes, [&](std::size_t n) { return batch_ms + update_ms * static_cast<double>(n); });
    EXPECT_NEAR(ms(pace.for_updates(1000)), thousand_ms, 0.1) << what;
    EXPECT_NEAR(static_cast<double>(pace.updates_in(100ms)), static_cast<double>(in_100ms), 1) << what;
  }
}

TEST(Pace, NothingIsKnownAtFirst) {
  EXPECT_EQ(Pace{}.for_updates(1'000'000), 0ms);
  EXPECT_EQ(Pace{}.updates_in(1ms), 1'000'000'000U);
}

TEST(Pace, ForgetsAStoreThatWasAway) {
  auto pace = after({10, 20}, [](std::size_t n) { return 100.0 * static_cast<double>(n); });
  EXPECT_NEAR(ms(pace.for_updates(10)), 1000, 1);
  Pace::Time now{2h};
  for (std::size_t i = 0; i < 20; ++i) {
    pace.begin(10 + i % 2 * 10, now);
    now += 10ms;
    pace.end(now);
  }
  EXPECT_LT(ms(pace.for_updates(10)), 50);
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
