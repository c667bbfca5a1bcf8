#include "egress/monitor/store_watch.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace pebbles::monitor {
namespace {

using std::chrono::milliseconds;

template <class Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 2000 && !condition(); ++i) std::this_thread::sleep_for(milliseconds{5});
  return condition();
}

TEST(StoreWatch, KnowsFromTheStart) {
  const StoreWatch well{[] { return Result<void>{}; }, {}};
  EXPECT_EQ(well.trouble(), std::nullopt);
  const StoreWatch away{[]() -> Result<void> { return failure(Errc::store_unavailable, "gone"); }, {}};
  EXPECT_EQ(away.trouble(), "The store is not available");
}

TEST(StoreWatch, FollowsTheStore) {
  std::atomic<bool> alive{true};
  const StoreWatch watch{[&]() -> Result<void> {
                           if (alive) return {};
                           return failure(Errc::store_unavailable, "gone");
                         },
                         {.pause = milliseconds{1}}};
  alive = false;
  EXPECT_TRUE(comes_true([&] { return watch.trouble().has_value(); }));
  alive = true;
  EXPECT_TRUE(comes_true([&] { return !watch.trouble(); }));
}

TEST(StoreWatch, APingThatHangsIsTrouble) {
  std::latch over{1};
  std::atomic<bool> hangs{false};
  const StoreWatch watch{[&] {
                           if (hangs) over.wait();
                           return Result<void>{};
                         },
                         {.pause = milliseconds{1}, .patience = milliseconds{50}}};
  hangs = true;
  EXPECT_TRUE(comes_true([&] { return watch.trouble() == "The store does not answer"; }));
  hangs = false;
  over.count_down();
  EXPECT_TRUE(comes_true([&] { return !watch.trouble(); }));
}

TEST(StoreWatch, OneThatHangsFromTheStartHasNotAnswered) {
  std::latch over{1};
  const StoreWatch watch{[&] {
                           over.wait();
                           return Result<void>{};
                         },
                         {.patience = milliseconds{20}}};
  EXPECT_TRUE(watch.trouble().has_value());
  over.count_down();
}

}  // namespace
}  // namespace pebbles::monitor
