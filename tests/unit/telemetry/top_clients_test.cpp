#include "telemetry/top_clients.hpp"

#include <gtest/gtest.h>

namespace pebbles::telemetry {
namespace {

void fail(TopClients& top, const std::string& client, int times) {
  for (int i = 0; i < times; ++i) (void)top.count(client);
}

TEST(TopClients, NamesTheFirstOnes) {
  TopClients top{2};
  EXPECT_TRUE(top.count("a").named);
  EXPECT_TRUE(top.count("b").named);
  EXPECT_FALSE(top.count("c").named);
  EXPECT_TRUE(top.count("a").named);
}

TEST(TopClients, NobodyIsNamedWhereNoneMayBe) {
  TopClients top{0};
  EXPECT_FALSE(top.count("a").named);
}

TEST(TopClients, WhoFailsMoreOftenTakesThePlaceOfWhoFailsLeast) {
  TopClients top{2};
  fail(top, "a", 10);
  fail(top, "b", 3);
  fail(top, "c", 3);
  const auto fourth = top.count("c");
  EXPECT_TRUE(fourth.named);
  EXPECT_EQ(fourth.leaves, "b");
  EXPECT_FALSE(top.count("b").named);
  EXPECT_TRUE(top.count("a").named);
}

TEST(TopClients, WhoWasDisplacedComesBackWithMoreFailures) {
  TopClients top{1};
  fail(top, "a", 2);
  fail(top, "b", 3);  // the third displaces
  EXPECT_FALSE(top.count("a").named);
  EXPECT_EQ(top.count("a").leaves, "b");
}

TEST(TopClients, AFloodOfClientsThatComeOnceDisplacesNobody) {
  TopClients top{3};
  fail(top, "a", 2);
  fail(top, "b", 2);
  fail(top, "c", 2);
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(top.count("once-" + std::to_string(i)).named);
  for (const auto* client : {"a", "b", "c"}) EXPECT_TRUE(top.count(client).named);
}

TEST(TopClients, InAFloodWhoFailsOftenIsNamedYet) {
  TopClients top{3};
  fail(top, "a", 1);
  fail(top, "b", 1);
  fail(top, "c", 1);
  bool named = false;
  for (int i = 0; i < 100 && !named; ++i) {
    named = top.count("often").named;
    fail(top, "once-" + std::to_string(i), 1);
  }
  EXPECT_TRUE(named);
}

}  // namespace
}  // namespace pebbles::telemetry
