#include "http/fair_budget.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace pebbles::http {
namespace {

constexpr std::size_t mib = 1UL << 20U;

TEST(FairBudget, OneAskerHasAtMostHalfOfWhatIsFree) {
  struct Case {
    std::string_view name;
    std::size_t own;  ///< of 64 MiB, had already
    std::size_t others;
    std::size_t wanted;
    bool has_room;
  };
  for (const auto& [name, own, others, wanted, has_room] : {
           Case{"the first", 0, 0, 16 * mib, true},
           {"up to half", 16 * mib, 0, 16 * mib, true},
           {"no more than is free now", 16 * mib, 0, 32 * mib + 1, false},
           {"beyond half", 32 * mib, 0, 1, false},
           {"little, where it has half", 32 * mib, 0, 0, true},
           {"another, while one has half", 0, 32 * mib, 16 * mib, true},
           {"and grows", 8 * mib, 32 * mib, 8 * mib, true},
           {"but not on and on", 16 * mib, 32 * mib, 8 * mib, false},
           {"the first bytes where little is free", 0, 63 * mib, 2 * mib, true},
           {"more than these", 0, 63 * mib, 2 * mib + 1, false},
           {"nothing is free", 0, 64 * mib, 0, false},
           {"more than there is", 0, 80 * mib, 0, false},
       }) {
    FairBudget budget{64 * mib};
    const auto mine = budget.take("a", own);
    const auto theirs = budget.take("b", others);
    EXPECT_EQ(budget.has_room("a", wanted), has_room) << name;
  }
}

TEST(FairBudget, WhatIsGivenBackIsFree) {
  FairBudget budget{8 * mib};
  {
    std::vector<std::shared_ptr<const void>> shares;
    for (const std::size_t bytes : {0UL, 3 * mib, 1 * mib, 0UL}) shares.push_back(budget.take("a", bytes));
    EXPECT_FALSE(budget.has_room("a", mib));
    EXPECT_TRUE(budget.has_room("b", 4 * mib));
    shares.erase(shares.begin() + 1);
    EXPECT_TRUE(budget.has_room("a", 4 * mib));
    EXPECT_FALSE(budget.is_unused());
  }
  EXPECT_TRUE(budget.is_unused());
}

}  // namespace
}  // namespace pebbles::http
