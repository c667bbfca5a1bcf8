#include "http/fair_budget.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace pebbles::http {
namespace {

constexpr std::size_t mib = 1UL << 20U;
using Use = FairBudget::Use;

/// Whatever the rules: with a requester for each MiB.
std::vector<FairBudget::Share> fill(FairBudget& budget, const std::string& name, std::size_t mibs, Use use) {
  std::vector<FairBudget::Share> out;
  for (std::size_t i = 0; i < mibs; ++i) out.push_back(*budget.take(name + std::to_string(i), mib, use));
  return out;
}

TEST(FairBudget, OfBodiesOneHasAtMostWhatItLeavesFree) {
  struct Case {
    std::string_view name;
    std::size_t own;  ///< MiB of 64, had already
    std::size_t others;
    std::size_t wanted;  ///< bytes
    bool has_room;
  };
  for (const auto& [name, own, others, wanted, has_room] : {
           Case{"the first", 0, 0, 16 * mib, true},
           {"up to half of what bodies may take", 8, 0, 16 * mib, true},
           {"no more", 8, 0, 16 * mib + 1, false},
           {"beyond half", 24, 0, 1, false},
           {"another, while one has half", 0, 24, 12 * mib, true},
           {"but not all of the rest", 0, 24, 12 * mib + 1, false},
           {"the first bytes where little is free", 0, 46, 2 * mib, true},
           {"more than these", 0, 45, 2 * mib + 1, false},
           {"the first bytes, had already", 2, 45, 1, false},
           {"nothing is free for bodies", 0, 48, 1, false},
       }) {
    FairBudget budget{64 * mib};
    const auto theirs = fill(budget, "other", others, Use::body);
    const auto mine = own > 0 ? budget.take("a", own * mib, Use::body) : std::nullopt;
    EXPECT_EQ(budget.has_room("a", wanted), has_room) << name;
    EXPECT_EQ(budget.take("a", wanted, Use::body).has_value(), has_room) << name;
  }
}

TEST(FairBudget, WhatHasComeCanBeReadHoweverManyBodiesThereAre) {
  FairBudget budget{64 * mib};
  const auto bodies = fill(budget, "body", 48, Use::body);
  const auto one = budget.take("body0", 13 * mib, Use::reading);
  EXPECT_TRUE(one);
  EXPECT_FALSE(budget.take("body0", 1, Use::reading)) << "one portion beyond its half";
  EXPECT_TRUE(budget.take("body1", 3 * mib, Use::reading));
  EXPECT_FALSE(budget.take("body1", 4 * mib, Use::reading)) << "never more than there is";
}

TEST(FairBudget, WhatIsReadLeavesRoomForOthersToo) {
  FairBudget budget{64 * mib};
  const auto first = budget.take("a", 20 * mib, Use::reading);
  const auto second = budget.take("a", 12 * mib, Use::reading);
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(budget.take("a", mib, Use::reading));
  EXPECT_TRUE(budget.take("b", 16 * mib, Use::reading));
  EXPECT_TRUE(budget.has_room("a", 4 * mib)) << "bodies are counted by themselves";
}

TEST(FairBudget, WhatIsGivenBackIsFree) {
  FairBudget budget{64 * mib};
  {
    auto share = *budget.take("a", 2 * mib, Use::body);
    EXPECT_TRUE(budget.grow(share, 24 * mib));
    EXPECT_FALSE(budget.grow(share, 25 * mib));
    EXPECT_EQ(share.bytes(), 24 * mib);
    share.shrink_to(mib);
    share.shrink_to(8 * mib);  // no way to grow
    EXPECT_EQ(budget.used(), mib);
    auto moved = std::move(share);
    moved = FairBudget::Share{};
    EXPECT_TRUE(budget.is_unused());
    share = *budget.take("a", 0, Use::reading);
    EXPECT_FALSE(budget.is_unused());
  }
  EXPECT_TRUE(budget.is_unused());
}

}  // namespace
}  // namespace pebbles::http
