#include "base/background_share.hpp"

#include <gtest/gtest.h>

namespace pebbles {
namespace {

using namespace std::chrono_literals;
using Duration = BackgroundShare::Duration;

TEST(BackgroundShare, WorksForOnePart) {
  const struct {
    std::size_t parts;
    Duration took, rest;
  } rows[] = {{40, 0ms, 0ms},
              {40, 1ms, 39ms},
              {100, 2ms, 198ms},
              {1, 5ms, 0ms},
              {40, 1h, BackgroundShare::rest_max},
              {40, Duration::max(), BackgroundShare::rest_max}};
  for (const auto& row : rows)
    EXPECT_EQ((BackgroundShare{[] { return true; }, row.parts}.rest_after(row.took)), row.rest) << row.parts;
}

/// How often `rest` looked before it returned.
int looks(const std::function<bool(int)>& is_busy_at, Duration took, const std::function<bool(int)>& ends_at) {
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_lock lock{mutex};
  int looks = 0;
  const BackgroundShare share{[&] { return is_busy_at(++looks); }, 40};
  share.rest(lock, changed, took, [&] { return ends_at(looks); });
  EXPECT_TRUE(lock.owns_lock());
  return looks;
}

TEST(BackgroundShare, RestsWhileThereIsWorkThatCannotWait) {
  const auto never = [](int) { return false; };
  const auto always = [](int) { return true; };
  const auto third = [](int look) { return look == 3; };
  EXPECT_EQ(looks(never, 1h, never), 1);
  EXPECT_EQ(looks([](int look) { return look < 3; }, 1h, never), 3);
  EXPECT_EQ(looks(always, 1h, third), 3);
  EXPECT_EQ(looks(always, 0ms, never), 1);
  EXPECT_GE(looks(always, 1ms, never), 2) << "until it has rested enough";
}

TEST(BackgroundShare, NobodyRestsWhereNothingIsMoreUrgent) {
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_lock lock{mutex};
  BackgroundShare{nullptr, 40}.rest(lock, changed, 1h, [] { return false; });
}

}  // namespace
}  // namespace pebbles
