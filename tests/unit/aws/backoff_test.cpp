#include "aws/backoff.hpp"

#include <gtest/gtest.h>

namespace pebbles::aws {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, IsUniformBelowABoundThatDoubles) {
  std::chrono::milliseconds longest{0};
  std::chrono::milliseconds sum{0};
  constexpr int rounds = 200;
  for (int round = 0; round < rounds; ++round) {
    Backoff backoff{{.first = 100ms, .max = 1000ms, .seed = static_cast<std::uint64_t>(round)}};
    for (const auto bound : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
      const auto wait = backoff.next();
      EXPECT_GE(wait, 0ms);
      EXPECT_LE(wait, bound);
      longest = std::max(longest, wait);
      sum += bound == 100ms ? wait : 0ms;
    }
  }
  EXPECT_GT(longest, 900ms);
  EXPECT_NEAR(static_cast<double>(sum.count()) / rounds, 50, 10);
}

TEST(Backoff, BeginsAgainAfterSuccessAndIsTheSameForASeed) {
  Backoff a{{.first = 100ms, .max = 1h, .seed = 7}};
  Backoff b{{.first = 100ms, .max = 1h, .seed = 7}};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(a.next(), b.next());
  a.reset();
  EXPECT_LE(a.next(), 100ms);
}

}  // namespace
}  // namespace pebbles::aws
