#include "base/result.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "base/strong.hpp"

namespace pebbles {
namespace {

Result<std::unique_ptr<int>> positive(int value) {
  if (value <= 0) return failure(Errc::invalid_argument, "not positive");
  return std::make_unique<int>(value);
}

Result<int> sum_of(int a, int b) {
  PEBBLES_TRY(first, positive(a));
  PEBBLES_TRY(second, positive(b));
  return *first + *second;
}

Result<void> check(int value) {
  PEBBLES_TRY_VOID(sum_of(value, 1));
  return {};
}

TEST(Result, TryBindsTheValueEvenWhenItOnlyMoves) { EXPECT_EQ(sum_of(2, 3).value(), 5); }

TEST(Result, TryReturnsTheErrorAsItIs) {
  for (const auto& result : {sum_of(0, 3), sum_of(2, 0)}) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::invalid_argument);
    EXPECT_EQ(result.error().detail, "not positive");
  }
}

TEST(Result, TryVoidPassesOnlyTheError) {
  EXPECT_TRUE(check(1));
  ASSERT_FALSE(check(0));
  EXPECT_EQ(check(0).error().code, Errc::invalid_argument);
}

TEST(Strong, TypesOverTheSameValueDoNotMix) {
  using Apples = Strong<int, struct ApplesTag>;
  using Pears = Strong<int, struct PearsTag>;
  static_assert(!std::is_convertible_v<Apples, Pears> && !std::is_constructible_v<Apples, Pears>);
  static_assert(!std::is_convertible_v<int, Apples> && !std::is_convertible_v<Apples, int>);
  EXPECT_LT(Apples{1}, Apples{2});
  EXPECT_EQ(std::hash<Apples>{}(Apples{1}), std::hash<int>{}(1));
}

}  // namespace
}  // namespace pebbles
