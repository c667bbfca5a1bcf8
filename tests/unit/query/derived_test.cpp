#include "egress/query/derived.hpp"

#include <gtest/gtest.h>

#include "support/fake_clock.hpp"

namespace pebbles::query {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using support::t0;

struct Given {
  domain::Version version = 1;
  domain::Version born = 1;
  domain::Counts counts{};
  std::optional<std::int64_t> total{};
  bool completed = false;
  milliseconds took{0};   ///< from the first update to the last
  milliseconds since{0};  ///< from then to now
};

struct Row {
  std::string_view what;
  Given given;
  Derived derived;
};

TEST(Derived, ByWhatIsKnown) {
  constexpr auto stalled_after = seconds{300};
  constexpr auto huge = domain::count_max;
  const std::vector<Row> rows{
      {"the first update, of a file of unknown size",
       {.counts = {.done = 500}},
       {.percent_tenths = {}, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 0}},
      {"a known size",
       {.counts = {.done = 500}, .total = 2000, .since = milliseconds{1999}},
       {.percent_tenths = 250, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 1}},
      {"rows of every outcome count",
       {.counts = {.done = 1, .warn = 1, .failed = 1}, .total = 4},
       {.percent_tenths = 750, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 0}},
      {"a share is cut: what is not complete is not all of it",
       {.counts = {.done = 999'999}, .total = 1'000'000},
       {.percent_tenths = 999, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 0}},
      {"a tenth is a tenth",
       {.counts = {.done = 1}, .total = 1000},
       {.percent_tenths = 1, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 0}},
      {"and so are others that are no sum of powers of two",
       {.counts = {.done = 507}, .total = 1000},
       {.percent_tenths = 507, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 0}},
      {"a share of what is as large as it can be",
       {.counts = {.done = huge - 1}, .total = huge},
       {.percent_tenths = 999, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 0}},
      {"more than was announced",
       {.version = 2, .counts = {.done = 30}, .total = 20, .took = seconds{10}},
       {.percent_tenths = 1000, .rate_thousandths = 1500, .eta_seconds = 0, .idle_seconds = 0}},
      {"of two updates, one fell into the time between them",
       {.version = 2, .counts = {.done = 1000}, .total = 2000, .took = seconds{10}},
       {.percent_tenths = 500, .rate_thousandths = 50'000, .eta_seconds = 20, .idle_seconds = 0}},
      {"the estimate goes on while nothing comes",
       {.version = 2, .counts = {.done = 1000}, .total = 2000, .took = seconds{10}, .since = milliseconds{5500}},
       {.percent_tenths = 500, .rate_thousandths = 50'000, .eta_seconds = 15, .idle_seconds = 5}},
      {"and is never negative",
       {.version = 2, .counts = {.done = 1000}, .total = 2000, .took = seconds{10}, .since = seconds{60}},
       {.percent_tenths = 500, .rate_thousandths = 50'000, .eta_seconds = 0, .idle_seconds = 60}},
      {"a rate without a size",
       {.version = 4, .counts = {.done = 4}, .took = seconds{9}},
       {.percent_tenths = {}, .rate_thousandths = 333, .eta_seconds = {}, .idle_seconds = 0}},
      {"of a file that was created again, only what came since",
       {.version = 6, .born = 5, .counts = {.done = 200}, .took = seconds{1}},
       {.percent_tenths = {}, .rate_thousandths = 100'000, .eta_seconds = {}, .idle_seconds = 0}},
      {"its first update",
       {.version = 5, .born = 5, .counts = {.done = 200}, .took = seconds{1}},
       {.percent_tenths = {}, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 0}},
      {"two updates at once have no rate",
       {.version = 2, .counts = {.done = 5}, .total = 10},
       {.percent_tenths = 500, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 0}},
      {"nothing done is a rate, and says nothing of the end",
       {.version = 3, .total = 10, .took = seconds{5}},
       {.percent_tenths = 0, .rate_thousandths = 0, .eta_seconds = {}, .idle_seconds = 0}},
      {"as long as is allowed",
       {.version = 2, .counts = {.done = 1000}, .total = 2000, .took = seconds{10}, .since = stalled_after},
       {.percent_tenths = 500, .rate_thousandths = 50'000, .eta_seconds = 0, .idle_seconds = 300}},
      {"stalled: nobody knows when it ends",
       {.version = 2, .counts = {.done = 1000}, .total = 2000, .took = seconds{10}, .since = milliseconds{300'001}},
       {.percent_tenths = 500, .rate_thousandths = 50'000, .eta_seconds = {}, .idle_seconds = 300, .stalled = true}},
      {"complete is all of it, whatever was announced",
       {.version = 2,
        .counts = {.done = 10},
        .total = 20,
        .completed = true,
        .took = seconds{5},
        .since = seconds{999}},
       {.percent_tenths = 1000, .rate_thousandths = 1000, .eta_seconds = {}, .idle_seconds = {}}},
      {"complete at once",
       {.counts = {.done = 10}, .completed = true},
       {.percent_tenths = 1000, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = {}}},
      {"the clock was set back",
       {.counts = {.done = 1}, .since = seconds{-3600}},
       {.percent_tenths = {}, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 0}},
      {"a file of before the log",
       {.version = 0, .born = 0, .counts = {.done = 5}, .total = 10, .took = seconds{5}},
       {.percent_tenths = 500, .rate_thousandths = {}, .eta_seconds = {}, .idle_seconds = 0}},
      {"numbers at their bounds",
       {.version = 2, .counts = {.done = huge, .warn = huge, .failed = huge}, .total = huge, .took = milliseconds{1}},
       {.percent_tenths = 1000, .rate_thousandths = {}, .eta_seconds = 0, .idle_seconds = 0}},
      {"an end that nobody will see",
       {.version = huge, .counts = {.done = 1}, .total = huge, .took = seconds{3000}},
       {.percent_tenths = 0, .rate_thousandths = 0, .eta_seconds = {}, .idle_seconds = 0}}};
  for (const auto& [what, given, derived] : rows) {
    domain::Progress progress;
    progress.version = given.version;
    progress.born = given.born;
    progress.counts = given.counts;
    progress.total = given.total;
    progress.completed = given.completed;
    progress.created_at = t0;
    progress.updated_at = t0 + given.took;
    const auto got = derive(progress, progress.updated_at + given.since, stalled_after);
    EXPECT_EQ(got.percent_tenths, derived.percent_tenths) << what;
    EXPECT_EQ(got.rate_thousandths, derived.rate_thousandths) << what;
    EXPECT_EQ(got.eta_seconds, derived.eta_seconds) << what;
    EXPECT_EQ(got.idle_seconds, derived.idle_seconds) << what;
    EXPECT_EQ(got.stalled, derived.stalled) << what;
  }
}

}  // namespace
}  // namespace pebbles::query
