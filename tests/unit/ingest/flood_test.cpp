#include "ingest/flood.hpp"

#include <gtest/gtest.h>

namespace pebbles::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class FloodTest : public testing::Test {
 protected:
  static constexpr Flood::Time t0{seconds{1000}};

  static std::vector<Pending> batch(std::initializer_list<std::pair<std::string, int>> shares, bool of_log = false) {
    std::vector<Pending> out;
    for (const auto& [client, count] : shares)
      for (int i = 0; i < count; ++i)
        out.push_back({.stream = {domain::ClientKrn{client}, domain::Filename{"f"}},
                       .command = domain::Report{},
                       .ack = {},
                       .epoch = of_log ? std::make_shared<const Epoch>() : nullptr});
    return out;
  }

  Flood flood;
};

TEST_F(FloodTest, ALaneRestsLongerThanTheBatchTook) {
  flood.begin(batch({{"noisy", 20}, {"quiet", 1}}), t0);
  EXPECT_TRUE(flood.is_of("noisy"));
  EXPECT_TRUE(flood.came("quiet", t0 + milliseconds{1}));
  EXPECT_FALSE(flood.came("noisy", t0 + milliseconds{1}));
  EXPECT_EQ(flood.rest(t0 + milliseconds{4}), milliseconds{12});
  EXPECT_EQ(flood.rest(t0 + milliseconds{400}), Flood::rest_max);
}

TEST_F(FloodTest, NotWhenNobodyElseHasComeLately) {
  flood.begin(batch({{"noisy", 20}}), t0);
  EXPECT_EQ(flood.rest(t0 + milliseconds{4}), milliseconds{0});
  (void)flood.came("quiet", t0 + milliseconds{4});
  flood.begin(batch({{"noisy", 20}}), t0 + seconds{1});
  EXPECT_EQ(flood.rest(t0 + seconds{1} + milliseconds{3}), milliseconds{9});
  flood.begin(batch({{"noisy", 20}}), t0 + seconds{2});
  EXPECT_EQ(flood.rest(t0 + seconds{2}), milliseconds{0});
}

TEST_F(FloodTest, WhatIsNoFlood) {
  const struct {
    const char* what;
    std::vector<Pending> batch;
  } cases[] = {
      {"a few", batch({{"noisy", 7}})},
      {"two with a half each", batch({{"a", 10}, {"b", 10}})},
      {"a backlog of a topic, which has time", batch({{"noisy", 20}}, true)},
  };
  for (const auto& each : cases) {
    Flood none;
    none.begin(each.batch, t0);
    EXPECT_FALSE(none.came("quiet", t0)) << each.what;
    EXPECT_EQ(none.rest(t0 + milliseconds{4}), milliseconds{0}) << each.what;
  }
}

TEST_F(FloodTest, ASmallBatchDoesNotEndIt) {
  flood.begin(batch({{"noisy", 20}}), t0);
  (void)flood.came("quiet", t0);
  flood.begin(batch({{"quiet", 1}}), t0);
  EXPECT_TRUE(flood.is_of("noisy"));
  EXPECT_EQ(flood.rest(t0 + milliseconds{4}), milliseconds{0}) << "after a small one nobody rests";
  flood.begin(batch({{"a", 10}, {"b", 10}}), t0);
  EXPECT_FALSE(flood.is_of("noisy"));
}

}  // namespace
}  // namespace pebbles::ingest
