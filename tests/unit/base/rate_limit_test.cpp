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

}  // namespace
}  // namespace pebbles
