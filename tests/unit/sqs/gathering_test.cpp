#include "ingress/sqs/gathering.hpp"

#include <gmock/gmock.h>

#include <chrono>

namespace pebbles::sqs {
namespace {

using std::chrono::milliseconds;
using testing::IsEmpty;
using testing::SizeIs;

class SqsGathering : public testing::Test {
 protected:
  static std::vector<Arrival> some(std::size_t count) {
    std::vector<Arrival> out;
    while (out.size() < count) out.push_back({.ticket = 0, .group = {}, .what = admission::Unusable{}});
    return out;
  }

  static constexpr bool more_to_come = true;
  Gathering gathering;
  const Gathering::SteadyTime t0{std::chrono::hours{1}};
};

TEST_F(SqsGathering, OutsideOfABacklogNothingWaits) {
  EXPECT_THAT(gathering.add(some(3), !more_to_come, t0), SizeIs(3));
  EXPECT_EQ(gathering.until(), Gathering::SteadyTime::max());
}

TEST_F(SqsGathering, WhatCameFullWaitsForTheEndOfTheBacklog) {
  EXPECT_THAT(gathering.add(some(10), more_to_come, t0), IsEmpty());
  EXPECT_THAT(gathering.add(some(10), more_to_come, t0 + milliseconds{50}), IsEmpty());
  EXPECT_EQ(gathering.size(), 20);
  EXPECT_THAT(gathering.add(some(4), !more_to_come, t0 + milliseconds{60}), SizeIs(24));
  EXPECT_EQ(gathering.size(), 0);
}

TEST_F(SqsGathering, TheFirstWaitsNoLongerThanItsTime) {
  (void)gathering.add(some(10), more_to_come, t0);
  (void)gathering.add(some(10), more_to_come, t0 + milliseconds{150});
  EXPECT_EQ(gathering.until(), t0 + Gathering::gather_for);
  EXPECT_THAT(gathering.add(some(10), more_to_come, t0 + Gathering::gather_for), SizeIs(30));
  EXPECT_THAT(gathering.add(some(10), more_to_come, t0 + Gathering::gather_for), IsEmpty());
  EXPECT_EQ(gathering.until(), t0 + 2 * Gathering::gather_for);
}

TEST_F(SqsGathering, ItIsBounded) {
  std::size_t gone = 0;
  for (std::size_t i = 0; i < Gathering::gathered_max / 10; ++i)
    gone = gathering.add(some(10), more_to_come, t0).size();
  EXPECT_EQ(gone, Gathering::gathered_max);
}

}  // namespace
}  // namespace pebbles::sqs
