#include "base/rate_limit.hpp"

#include <gtest/gtest.h>

namespace pebbles {
namespace {

using std::chrono::milliseconds;

TEST(RateLimit, PassesOnceAnIntervalAndCountsTheRest) {
  RateLimit limit{milliseconds{100}};
  const auto t0 = std::chrono::steady_clock::now();
  EXPECT_EQ(limit.pass(t0), 0);
  EXPECT_EQ(limit.pass(t0), std::nullopt);
  EXPECT_EQ(limit.pass(t0 + milliseconds{99}), std::nullopt);
  EXPECT_EQ(limit.pass(t0 + milliseconds{100}), 2);
  EXPECT_EQ(limit.pass(t0 + milliseconds{300}), 0);
}

TEST(RateLimit, WhatWasHeldBackLastIsToldOnce) {
  RateLimit limit{milliseconds{100}};
  const auto t0 = std::chrono::steady_clock::now();
  EXPECT_EQ(limit.take_overdue(t0), 0);
  (void)limit.pass(t0);
  EXPECT_EQ(limit.take_overdue(t0 + milliseconds{200}), 0);
  (void)limit.pass(t0 + milliseconds{200});
  (void)limit.pass(t0 + milliseconds{250});
  EXPECT_EQ(limit.take_overdue(t0 + milliseconds{299}), 0);
  EXPECT_EQ(limit.take_overdue(t0 + milliseconds{300}), 1);
  EXPECT_EQ(limit.take_overdue(t0 + milliseconds{400}), 0);
  EXPECT_EQ(limit.pass(t0 + milliseconds{399}), std::nullopt) << "that line was one, too";
}

}  // namespace
}  // namespace pebbles
