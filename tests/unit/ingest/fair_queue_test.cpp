#include "ingest/fair_queue.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace pebbles::ingest {
namespace {

using std::chrono::milliseconds;

Pending pending(const std::string& client, const std::string& filename) {
  return {.stream = {domain::ClientKrn{client}, domain::Filename{filename}}, .command = domain::Report{}, .ack = {}};
}

std::vector<std::string> names(const std::vector<Pending>& batch) {
  std::vector<std::string> out;
  for (const auto& update : batch) out.push_back(*update.stream.client + *update.stream.filename);
  return out;
}

constexpr FairQueue::Bounds wide{.updates_max = 1000, .bytes_max = 1UL << 30U};

TEST(FairQueue, TakesClientsInTurnsAndEachInOrder) {
  FairQueue queue{wide, {}};
  for (const auto* name : {"1", "2", "3", "4"}) EXPECT_FALSE(queue.push(pending("a", name)));
  EXPECT_FALSE(queue.push(pending("b", "1")));
  EXPECT_FALSE(queue.push(pending("c", "1")));
  EXPECT_FALSE(queue.push(pending("c", "2")));
  EXPECT_EQ(names(queue.take({.updates_max = 5, .bytes_max = wide.bytes_max}, milliseconds{0})),
            (std::vector<std::string>{"a1", "b1", "c1", "a2", "c2"}));
  EXPECT_EQ(names(queue.take(wide, milliseconds{0})), (std::vector<std::string>{"a3", "a4"}));
  EXPECT_TRUE(queue.take(wide, milliseconds{0}).empty());
  EXPECT_EQ(queue.size(), 0U);
}

TEST(FairQueue, RestsBetweenTheBatchesOfAFloodUntilSomebodyElseSends) {
  auto now = std::chrono::steady_clock::time_point{} + std::chrono::hours{1};
  FairQueue queue{wide, {}, [&now] { return now; }};
  const auto flood = [&] {
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(queue.push(pending("flood", "f")));
  };
  flood();
  EXPECT_FALSE(queue.push(pending("quiet", "1")));
  EXPECT_EQ(queue.take(wide, milliseconds{0}).size(), 21U);
  EXPECT_FALSE(queue.push(pending("quiet", "2")));  // it comes lately
  flood();
  now += milliseconds{40};
  EXPECT_EQ(queue.take(wide, milliseconds{0}).size(), 21U) << "somebody else waits: no rest";

  flood();
  now += milliseconds{40};
  auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(queue.take(wide, milliseconds{0}).size(), 20U);
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds{40});

  now += milliseconds{40};
  flood();
  std::jthread other{[&queue] {
    EXPECT_FALSE(queue.push(pending("quiet", "3")));
    std::this_thread::sleep_for(milliseconds{35});
    EXPECT_FALSE(queue.push(pending("quiet", "4")));
  }};
  EXPECT_EQ(queue.take(wide, milliseconds{0}).size(), 21U) << "who comes ends the rest";
}

TEST(FairQueue, ARestEndsWithTheQueue) {
  FairQueue queue{wide, {}};
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(queue.push(pending("flood", "f")));
  EXPECT_FALSE(queue.push(pending("quiet", "1")));
  EXPECT_EQ(queue.take(wide, milliseconds{0}).size(), 21U);
  EXPECT_FALSE(queue.push(pending("flood", "f")));
  queue.close();
  EXPECT_EQ(queue.take(wide, std::nullopt).size(), 1U);
}

TEST(FairQueue, AFloodLeavesRoomForOthers) {
  FairQueue queue{{.updates_max = 100, .bytes_max = 1UL << 30U}, {}};
  int taken_in = 0;
  while (!queue.push(pending("flood", "f"))) ++taken_in;
  EXPECT_EQ(taken_in, 50);
  int quiet = 0;
  while (!queue.push(pending("quiet", "q"))) ++quiet;
  EXPECT_EQ(quiet, 25);
  EXPECT_FALSE(queue.push(pending("third", "t")));
}

TEST(FairQueue, IsBoundedInBytes) {
  FairQueue queue{{.updates_max = 1000, .bytes_max = 4 * bytes_of(pending("a", "f"))}, {}};
  int taken_in = 0;
  while (!queue.push(pending("a", "f"))) ++taken_in;
  EXPECT_EQ(taken_in, 2);
  EXPECT_EQ(queue.take({.updates_max = 10, .bytes_max = 1}, milliseconds{0}).size(), 1U);
}

TEST(FairQueue, GivesTheUpdateBackUnchanged) {
  FairQueue queue{{.updates_max = 0, .bytes_max = 0}, {}};
  const auto back = queue.push(pending("a", "file"));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back->stream.filename, "file");
}

TEST(FairQueue, AnUpdateThatComesAloneAfterBurstsIsTaken) {
  FairQueue queue{wide, {}};
  for (int burst = 0; burst < 8; ++burst) {
    for (int i = 0; i < 64; ++i) ASSERT_FALSE(queue.push(pending("a", "f")));
    ASSERT_EQ(queue.take(wide, milliseconds{0}).size(), 64U);
  }
  std::thread late{[&] { EXPECT_FALSE(queue.push(pending("a", "f"))); }};
  EXPECT_EQ(queue.take(wide, std::nullopt).size(), 1U);
  late.join();
}

TEST(FairQueue, CloseWakesTheTakerAndKeepsWhatIsThere) {
  FairQueue queue{wide, {}};
  std::thread taker{[&] {
    EXPECT_EQ(queue.take(wide, std::nullopt).size(), 1U);
    EXPECT_TRUE(queue.take(wide, std::nullopt).empty());
  }};
  EXPECT_FALSE(queue.push(pending("a", "f")));
  std::this_thread::sleep_for(milliseconds{20});
  queue.close();
  taker.join();
  EXPECT_TRUE(queue.push(pending("a", "f")));
}

TEST(FairQueue, OfManyNothingSlipsPastWhatComesBack) {
  FairQueue queue{{.updates_max = 3, .bytes_max = 1U << 20U}, {}};
  std::vector<Pending> many;
  for (const auto* name : {"1", "2", "3", "4"}) many.push_back(pending("krn:a", name));
  many.push_back(pending("krn:b", "5"));
  const auto back = queue.push(std::move(many));
  ASSERT_EQ(back.size(), 2U);  // one client has at most half of what is free
  EXPECT_EQ(*back[0].stream.filename, "3");
  EXPECT_EQ(*back[1].stream.filename, "4");
  EXPECT_EQ(queue.size(), 3U);
}

TEST(FairQueue, ALargeUpdateThatFindsNoRoomHoldsSmallerOnesBack) {
  FairQueue queue{{.updates_max = 100, .bytes_max = 20'000}, {}};
  std::vector<Pending> many;
  many.push_back(pending("krn:a", "1"));
  many.push_back(pending("krn:a", std::string(18'500, 'l')));
  many.push_back(pending("krn:a", "2"));
  EXPECT_EQ(queue.push(std::move(many)).size(), 2U);
}

TEST(FairQueue, WhoWaitsIsWoken) {
  FairQueue queue{{.updates_max = 3, .bytes_max = 1U << 20U}, {}};
  queue.wake();
  EXPECT_TRUE(queue.take({.updates_max = 1, .bytes_max = 1}, std::nullopt).empty());
}

/// A queue whose lane has learnt that an update takes a millisecond, at a time that stands still.
class PacedQueue : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int batch = 0; batch < 20; ++batch) {
      fill("a", 100 + batch % 2 * 100);
      take();
    }
    ASSERT_EQ(take(), 0U);
  }
  /// A batch, and the time that it takes; how many it has.
  std::size_t take() {
    const auto batch = queue.take({.updates_max = 10'000, .bytes_max = wide.bytes_max}, milliseconds{0});
    now += milliseconds{batch.size()};
    return batch.size();
  }
  /// How many are taken in of so many that somebody waits for.
  std::size_t fill(const std::string& client, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      if (queue.push(pending(client, "f"))) return i;
    return count;
  }
  void fill_from_log(const std::string& client, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      auto read = pending(client, "f");
      read.epoch = std::make_shared<Epoch>();
      ASSERT_FALSE(queue.push(std::move(read)));
    }
  }

  std::chrono::steady_clock::time_point now{std::chrono::hours{1}};
  FairQueue queue{
      {.updates_max = 100'000, .bytes_max = 1UL << 30U}, {.queued_max = milliseconds{500}}, [this] { return now; }};
};

TEST_F(PacedQueue, RefusesWhoWouldWaitTooLong) {
  EXPECT_NEAR(static_cast<double>(fill("a", 10'000)), 500, 2);
  EXPECT_EQ(fill("quiet", 10), 10U) << "it does not wait behind another's flood";
}

TEST_F(PacedQueue, AFewAreLetInWhateverThePaceSays) {
  for (int batch = 0; batch < 80; ++batch) {
    fill("a", 1 + batch % 2);
    take();
    now += milliseconds{500 * (batch % 2)};  // another instance was in the way
  }
  EXPECT_EQ(fill("a", 10'000), Pace::few);
}

TEST_F(PacedQueue, OfALaneThatIsStuckNobodyWaits) {
  ASSERT_EQ(fill("a", 1), 1U);
  ASSERT_EQ(queue.take(wide, milliseconds{0}).size(), 1U);
  now += milliseconds{3000};
  EXPECT_EQ(fill("b", 1), 1U);
  now += milliseconds{1};
  EXPECT_EQ(fill("b", 1), 0U);
  fill_from_log("b", 1);
}

TEST_F(PacedQueue, WhatCameFromALogHasTime) { fill_from_log("a", 5'000); }

TEST_F(PacedQueue, ABatchIsShortWhileSeveralWaitAndOneOfThemForAnAnswer) {
  fill_from_log("log", 5'000);
  fill_from_log("other log", 5'000);
  EXPECT_NEAR(static_cast<double>(take()), 2000, 2) << "2 s of work";
  ASSERT_EQ(fill("quiet", 1), 1U);
  EXPECT_EQ(take(), Pace::few) << "100 ms, but no fewer than this";
  EXPECT_NEAR(static_cast<double>(take()), 2000, 2);
}

}  // namespace
}  // namespace pebbles::ingest
