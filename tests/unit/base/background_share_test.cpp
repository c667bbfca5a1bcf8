#include "base/background_share.hpp"

#include <gtest/gtest.h>

namespace pebbles {
namespace {

using namespace std::chrono_literals;
using Duration = BackgroundShare::Duration;

TEST(BackgroundShare, AllThreadsTogetherWorkForOnePart) {
  constexpr int parts = BackgroundShare::parts;
  const struct {
    int threads;
    Duration took, rest;
  } rows[] = {
      {1, 0ms, 0ms}, {1, 1ms, (parts - 1) * 1ms}, {2, 1ms, (2 * parts - 1) * 1ms}, {1, 1h, BackgroundShare::rest_max}};
  for (const auto& row : rows)
    EXPECT_EQ((BackgroundShare{[] { return true; }, row.threads}.rest_after(row.took)), row.rest) << row.threads;
}

/// How often `rest` looked before it returned.
int looks(const std::function<bool(int)>& is_busy_at, Duration took, const std::function<bool(int)>& ends_at) {
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_lock lock{mutex};
  int looks = 0;
  const BackgroundShare share{[&] { return is_busy_at(++looks); }};
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
  BackgroundShare{nullptr}.rest(lock, changed, 1h, [] { return false; });
}

}  // namespace
}  // namespace pebbles
