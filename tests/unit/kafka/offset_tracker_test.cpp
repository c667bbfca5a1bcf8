#include "ingress/kafka/offset_tracker.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace pebbles::kafka {
namespace {

using Tracker = OffsetTracker<std::shared_ptr<int>>;

TEST(OffsetTracker, CommitsNothingBeforeTheFirstIsDone) {
  Tracker tracker;
  EXPECT_EQ(tracker.committable(), std::nullopt);
  (void)tracker.add(7, nullptr);
  EXPECT_EQ(tracker.committable(), std::nullopt);
}

TEST(OffsetTracker, CommitsBehindTheContiguousPrefix) {
  Tracker tracker;
  const auto first = tracker.add(10, nullptr);
  const auto second = tracker.add(11, nullptr);
  const auto third = tracker.add(15, nullptr);  // compaction has taken what was between
  tracker.finish(third);
  tracker.finish(second);
  EXPECT_EQ(tracker.committable(), std::nullopt);
  EXPECT_EQ(tracker.size(), 3U);
  tracker.finish(first);
  EXPECT_EQ(tracker.committable(), 16);
  EXPECT_EQ(tracker.size(), 0U);
  (void)tracker.add(16, nullptr);
  EXPECT_EQ(tracker.committable(), 16);
}

TEST(OffsetTracker, LetsGoOfWhatAMessageCarriedAtOnce) {
  Tracker tracker;
  auto payload = std::make_shared<int>(1);
  (void)tracker.add(1, nullptr);
  const auto second = tracker.add(2, payload);
  tracker.finish(second);
  EXPECT_EQ(payload.use_count(), 1);
  EXPECT_EQ(tracker.find(second), nullptr);
}

TEST(OffsetTracker, FinishesOnce) {
  Tracker tracker;
  const auto first = tracker.add(1, nullptr);
  const auto second = tracker.add(2, nullptr);
  tracker.finish(first);
  tracker.finish(first);
  EXPECT_EQ(tracker.committable(), 2);
  tracker.finish(second + 1);  // never added
  EXPECT_EQ(tracker.committable(), 2);
}

TEST(OffsetTracker, KnowsWhatItHasPassed) {
  Tracker tracker;
  EXPECT_FALSE(tracker.has_passed(0));
  (void)tracker.add(5, nullptr);
  EXPECT_TRUE(tracker.has_passed(5));
  EXPECT_FALSE(tracker.has_passed(6));
}

/// Behind the last message may stand what is not for readers, such as the end of a transaction.
TEST(OffsetTracker, SkipsToTheEnd) {
  Tracker tracker;
  const auto first = tracker.add(0, nullptr);
  tracker.skip_to(5);
  EXPECT_EQ(tracker.committable(), std::nullopt);
  tracker.finish(first);
  EXPECT_EQ(tracker.committable(), 5);
  tracker.skip_to(3);
  EXPECT_EQ(tracker.committable(), 5);
  tracker.skip_to(8);
  EXPECT_EQ(tracker.committable(), 8);
}

}  // namespace
}  // namespace pebbles::kafka
